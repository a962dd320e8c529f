"""Covariance models under scikit-learn's names, and their parameters in its shapes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mixtures._checks import shown
from mixtures.families import Gaussian, GaussianParams
from mixtures.families.covariances import COVARIANCE_MODELS, ConjugateModel

_ALIASES = {"diag": "diagonal"}


def family_of(covariance_type: str) -> Gaussian:
    """The family for scikit-learn's name of a covariance model, ours, or mclust's code.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    try:
        return Gaussian(_ALIASES.get(covariance_type, covariance_type))
    except (ValueError, TypeError):
        raise ValueError(
            f"covariance_type must be 'full', 'tied', 'diag', 'spherical' or one of {', '.join(COVARIANCE_MODELS)}, "
            f"or a code from EII to VVV; got {shown(covariance_type)}."
        ) from None


def covariances_of(params: GaussianParams) -> Float[np.ndarray, "..."]:
    """Covariances in scikit-learn's shapes, with any leading axes kept.

    (K, D, D) for full, (D, D) for tied, (K, D) for diagonal, (K,) for spherical; (D,) for tied_diagonal, () for
    tied_spherical. Models that share volumes, shapes or orientations: (K, D) where features are independent, and
    (K, D, D) where they are not.
    """
    model = COVARIANCE_MODELS[params.covariance]
    if isinstance(model, ConjugateModel):
        return np.asarray(params.spread["covariances"])
    params = jax.tree.map(jnp.asarray, params)
    return np.asarray(params.covariances if model.cross_products else params.variances)


def precisions_cholesky(covariance: str, blocks: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Upper triangular U with U Uᵀ the precision for matrices, as scikit-learn has it; inverse roots of variances."""
    if not COVARIANCE_MODELS[covariance].cross_products:
        return blocks**-0.5
    lower = np.linalg.cholesky(blocks)
    return np.swapaxes(np.linalg.solve(lower, np.broadcast_to(np.eye(blocks.shape[-1]), blocks.shape)), -1, -2)


def precisions(covariance: str, cholesky: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Precisions from what `precisions_cholesky` returns."""
    if not COVARIANCE_MODELS[covariance].cross_products:
        return cholesky**2
    return cholesky @ np.swapaxes(cholesky, -1, -2)


def dense_from_precisions(
    family: Gaussian, given, num_components: int, num_features: int
) -> Float[np.ndarray, "K D D"]:
    """Covariance matrices from precisions in the shape of `covariances_of`.

    Raises
    ------
    ValueError
        If the shape is another, or a precision is not positive definite.
    """
    values = np.asarray(given, float)
    units = _units(num_components, num_features)
    means = jnp.zeros((num_components, num_features))
    wanted = covariances_of(family.start(jnp.ones(num_components), means, jnp.asarray(units))).shape
    if values.shape != wanted:
        raise ValueError(f"precisions_init must have shape {wanted} for this covariance_type; got {values.shape}.")
    if family.model.cross_products:
        symmetric = np.allclose(values, np.swapaxes(values, -1, -2))
        if not symmetric or not np.linalg.eigvalsh(values).min() > 0:
            raise ValueError("precisions_init must hold symmetric positive definite matrices; it does not.")
        return np.broadcast_to(np.linalg.inv(values), (num_components, num_features, num_features))
    if not (values > 0).all():
        raise ValueError("precisions_init must hold positive numbers; it does not.")
    per_feature = values[:, None] if values.shape == (num_components,) and family.covariance == "spherical" else values
    return _units(num_components, num_features) / per_feature[..., None]


def _units(num_components: int, num_features: int) -> Float[np.ndarray, "K D D"]:
    return np.broadcast_to(np.eye(num_features), (num_components, num_features, num_features))
