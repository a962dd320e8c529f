"""Rows and their weights as EM is given them: each distinct row once, in numbers that few programs serve."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from mixtures.em.fit import EMFit
from mixtures.folding import fold_duplicates

_SMALLEST = 64  # rows


def check_weights(sample_weight, num_rows: int) -> Float[np.ndarray, " N"]:
    """Weights as an array, 1 each for None.

    Raises
    ------
    ValueError
        If they are not one finite number of at least zero for each row, or all zero.
    """
    if sample_weight is None:
        return np.ones(num_rows)
    try:
        weights = np.asarray(sample_weight, float)
    except (TypeError, ValueError) as error:
        raise ValueError("sample_weight must be an array of numbers.") from error
    if weights.shape != (num_rows,):
        raise ValueError(f"sample_weight must have shape ({num_rows},), one for each row; got {weights.shape}.")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("sample_weight must be finite and not negative.")
    if not weights.any():
        raise ValueError("sample_weight must have at least one positive number: all sample weights are zero.")
    return weights


def condense(
    x: Float[np.ndarray, "N D"], weights: Float[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "M D"], Float[np.ndarray, " M"]]:
    """The same likelihood in sorted rows, so that repeating a row and doubling its weight are the same data.

    Rows of no weight are left out and repeated ones folded. Then rows are repeated after all, with their weight shared
    out, until there are as many as `padded_size` says: cross-validation would otherwise compile a program a fold.
    """
    seen = weights > 0
    values, folded = fold_duplicates(x[seen], weights[seen])
    place = np.arange(padded_size(len(values))) % len(values)
    return values[place], (folded / np.bincount(place))[place]


def padded_size(num_rows: int) -> int:
    """The next of 64, 80, 96, 112, 128, 160, …: a quarter more at most."""
    if num_rows <= _SMALLEST:
        return _SMALLEST
    step = 1 << (num_rows.bit_length() - 3)
    return -(-num_rows // step) * step


def count_in(
    fit: EMFit, values: Float[np.ndarray, "M D"], x: Float[np.ndarray, "N D"], weights: Float[np.ndarray, " N"]
) -> EMFit:
    """The same fit with the rows that its collapsed starts shrank onto numbered, and their ties counted, in `x`."""
    condensed = np.asarray(fit.starts.collapse_row)
    row, ties = condensed.copy(), np.ones_like(condensed)
    for place in np.unique(condensed):
        same = (weights > 0) & ((x == values[place]) | (np.isnan(x) & np.isnan(values[place]))).all(axis=1)
        row[condensed == place], ties[condensed == place] = same.argmax(), same.sum()
    return eqx.tree_at(lambda f: (f.starts.collapse_row, f.starts.collapse_ties), fit, (row, ties))


def of_same_moments(x: Float[np.ndarray, "N D"], weights: Float[np.ndarray, " N"]) -> Float[np.ndarray, "M D"]:
    """Rows with the mean and the covariance of weighted ones, which is what a data-scaled prior is made from.

    Raises
    ------
    ValueError
        If values are missing, or weights sum to no more than one row.
    """
    if np.isnan(x).any():
        raise ValueError("prior='default' cannot be scaled to rows with both missing values and sample_weight.")
    total = weights.sum()
    if total <= 1:
        raise ValueError(
            f"sample_weight must sum to more than 1 for prior='default', got {total:g}: a weight of 2 is the row twice."
        )
    mean = weights @ x / total
    along, axes = np.linalg.eigh((weights * (x - mean).T) @ (x - mean) / (total - 1))
    steps = axes * np.sqrt(np.maximum(along, 0) * (len(along) - 0.5))
    return np.concatenate([mean + steps.T, mean - steps.T])


def refuse_flat_rows(x: Float[np.ndarray, "M D"]) -> None:
    """Refuse complete rows that lie in a plane, onto which any component with whole covariances could shrink.

    Raises
    ------
    ValueError
        If they do.
    """
    spread = x.std(axis=0)
    if np.isnan(x).any() or not (spread > 0).all():
        return
    z = (x - x.mean(axis=0)) / spread
    along = np.linalg.eigvalsh(z.T @ z / len(z))
    if not along[0] > 10 * x.shape[1] * np.finfo(float).eps * along[-1]:
        raise ValueError(
            "X must have more distinct rows than features and no column that others determine, for covariances between "
            "features to have a maximum of the likelihood; use covariance_type='diag', a floor reg_covar, or leave "
            "columns out."
        )
