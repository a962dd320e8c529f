"""Spurious maximisers: local maxima that owe their height to a few rows, and how to recognise them.

Any few rows that happen to lie close together, or almost in a line or a plane, give a local maximum of the likelihood
in which a component of nearly no width sits on them (Day 1969, section 7; McLachlan and Peel 2000, sections 3.10 and
3.11). It can be the highest there is without saying anything about the population.
"""

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Integer, Real

from mixtures._checks import as_rows
from mixtures._kernel import Rows
from mixtures.em.fit import EMFit, check_fit
from mixtures.families import AbstractParams
from mixtures.model import Mixture

# How narrow, as a fraction of the other components' narrowest sd, and how few rows: times D + 1, the fewest rows that
# give a component a width in every direction. The narrower it is, the more rows may by chance lie so close.
RULES = ((0.1, 4), (0.01, 10))


def spurious(
    model: Mixture,
    fit: EMFit,
    x: Real[ArrayLike, "N *D"],
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
) -> list[str]:
    """Say which components of a fit look as if they owed its height to a few rows; empty if none does.

    A component is named if it is narrow and has few rows: it claims fewer than 4 (D + 1) and its narrowest direction
    has less than a tenth of the other components' standard deviation, or fewer than 10 (D + 1) and less than a
    hundredth. Equal rows count once: a distinct row counts with its responsibility, or the sum over its copies where
    that is below one. Directions are principal ones in standardised features; the others' variances in theirs are
    averaged by their proportions. A small group that is as wide as others is not named, nor is a narrow group of many
    distinct rows. The four numbers are a convention, not a test.

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`.
    x
        The data that were fitted, (N,) or (N, D).
    weights, labels
        What the fit was given.

    Returns
    -------
    list of str
        A sentence a component.

    Raises
    ------
    ValueError
        If an argument is wrong, or the fit is not of this model and these data.
    """
    rows = as_rows(x)
    check_fit(model, fit, rows)
    if not fit.status.is_estimate or model.num_components == 1:
        return []
    found = _claims_and_widths(model, fit.params, model.prepare(rows, 1, weights, labels))
    claims, least_variances = map(np.asarray, found)
    proportions = np.asarray(fit.params.weights)[: model.num_components]
    ratios = _relative_widths(proportions / proportions.sum(), least_variances)
    distinct = _distinct_rows(np.asarray(rows), claims)
    named = [(ratios < narrow) & (distinct < few * (rows.shape[1] + 1)) for narrow, few in RULES]
    return [
        _explain(k, claims[:, k].sum(), distinct[k], claims.sum(), ratios[k])
        for k in np.flatnonzero(np.any(named, axis=0)).tolist()
    ]


@eqx.filter_jit
def _claims_and_widths(model: Mixture, params: AbstractParams, rows: Rows):
    shares = model.responsibilities(params, rows)[:, : model.num_components]
    return shares * rows.row_weights()[:, None], model.family.least_variances(params, rows.frame)


def _relative_widths(proportions: np.ndarray, least_variances: np.ndarray) -> np.ndarray:
    """Each component's narrowest standard deviation over that of the others."""
    others = np.sum(proportions * least_variances) - proportions * least_variances
    return np.sqrt(least_variances * (1 - proportions) / np.maximum(others, np.finfo(others.dtype).tiny))


def _distinct_rows(rows: np.ndarray, claims: np.ndarray) -> np.ndarray:
    """How many distinct rows each component claims."""
    _, of_row = np.unique(rows, axis=0, return_inverse=True)
    summed = np.zeros((of_row.max() + 1, claims.shape[1]))
    np.add.at(summed, of_row.ravel(), claims)
    return np.minimum(summed, 1.0).sum(axis=0)


def _explain(component: int, count: float, distinct: float, total: float, ratio: float) -> str:
    tied = f" ({distinct:.1f} distinct ones)" if distinct < count - 0.5 else ""
    return (
        f"Component {component + 1} claims {count:.1f} of {total:.6g} rows{tied}, and its narrowest direction is "
        f"1/{1 / ratio:.0f} as wide as the other components': the fit may owe its height to these few rows."
    )
