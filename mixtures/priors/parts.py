"""Pieces that several priors are made of."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from mixtures._checks import is_traced

_NEEDS = {
    "weights": "over weights that sum to one",
    "mean": "of a continuous number",
    "scale": "of a positive number",
    "covariance": "of a positive number or a positive definite matrix",
    "correlation": "of a correlation matrix",
}


def check_distribution(name: str, given: object, role: str) -> dist.Distribution:
    """Refuse what is not a distribution with the support of its role; make its numbers arrays."""
    if not isinstance(given, dist.Distribution):
        raise ValueError(f"{name} must be a numpyro Distribution, got {type(given).__name__}.")
    if not _supported(role, given):
        raise ValueError(f"{name} must be a distribution {_NEEDS[role]}, got {type(given).__name__}.")
    return jax.tree.map(jnp.asarray, given)


def _supported(name: str, given: dist.Distribution) -> bool:
    """Whether a distribution's support is that of the parameter it is given for."""
    support = cast(constraints.Constraint, given.support)
    if name == "weights":
        return support is constraints.simplex
    if name == "correlation":
        return support is constraints.corr_matrix
    if name == "mean" or support.is_discrete or is_traced(given):
        return not support.is_discrete
    negative = -np.logspace(-9, 9, 37).reshape(-1, 1)
    return support is constraints.positive_definite or not np.any(support(negative))


def means_given(spreads: Array, mean: Float[Array, " D"], shrinkage: Float[Array, ""]) -> dist.Distribution:
    """Normal means around `mean`, with covariances (K, D, D) or variances (K, D) divided by `shrinkage`."""
    if spreads.ndim == 3 and spreads.shape[-1] > 1:
        return dist.MultivariateNormal(mean, covariance_matrix=spreads / shrinkage).to_event(1)
    variances = spreads if spreads.ndim == 2 else spreads[..., 0]
    return dist.Normal(mean, jnp.sqrt(variances / shrinkage)).to_event(2)


def expand(one: dist.Distribution, shape: tuple[int, ...]) -> dist.Distribution:
    """Independent copies that fill `shape`, as one event."""
    batch = shape[: len(shape) - len(one.event_shape)]
    return one.expand(batch).to_event(len(batch))


def describe_distribution(d: dist.Distribution) -> str:
    """A distribution with its numbers, in words."""
    values = {name: getattr(d, name) for name in d.arg_constraints if getattr(d, name, None) is not None}
    return f"{type(d).__name__}({', '.join(f'{k}={jnp.asarray(v).tolist()}' for k, v in values.items())})"
