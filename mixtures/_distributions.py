"""Probability distributions the package needs and NumPyro lacks."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key
from numpyro.distributions import constraints
from numpyro.distributions.transforms import PowerTransform


class Squared(dist.TransformedDistribution):
    """The distribution of σ² where σ is positive: p(σ) / 2σ, with the squared support of σ."""

    def __init__(self, scale: dist.Distribution):
        super().__init__(scale, PowerTransform(2.0), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The interval of σ with its ends squared; NumPyro's own would be all positive numbers."""
        own = self.base_dist.support
        if isinstance(own, type(constraints.interval(0, 1))):
            return constraints.interval(own.lower_bound**2, own.upper_bound**2)
        if isinstance(own, type(constraints.greater_than(0))):
            return constraints.greater_than(own.lower_bound**2)
        return constraints.positive


class ScaleCorrelation(dist.Distribution):
    """A covariance matrix built from standard deviations and a correlation matrix, as a density over covariances.

    Σ = diag(s) R diag(s). The change of variables from (s, R) to Σ has |∂Σ/∂(s, R)| = 2^D Π s_i^D: 2 s_i for each
    diagonal entry and s_i s_j for each entry above it.

    Parameters
    ----------
    scale
        Distribution of the standard deviations, event shape (D,).
    correlation
        Distribution of correlation matrices, event shape (D, D).
    """

    arg_constraints: ClassVar[dict] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    support = constraints.positive_definite  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    pytree_data_fields = ("scale", "correlation")

    def __init__(self, scale: dist.Distribution, correlation: dist.Distribution):
        self.scale, self.correlation = scale, correlation
        super().__init__(batch_shape=(), event_shape=correlation.event_shape, validate_args=False)

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Float[Array, "*S D D"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw covariance matrices, shape sample_shape + (D, D)."""
        key_scale, key_correlation = jax.random.split(key)
        s = jnp.asarray(self.scale.sample(key_scale, sample_shape))
        correlation = jnp.asarray(self.correlation.sample(key_correlation, sample_shape))
        return s[..., :, None] * correlation * s[..., None, :]

    def log_prob(self, value: Float[Array, "*S D D"], intermediates=None) -> Float[Array, "*S"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Log density at covariance matrices (..., D, D), with respect to their D(D + 1)/2 free entries."""
        s = jnp.sqrt(jnp.diagonal(value, axis1=-2, axis2=-1))
        correlation = value / (s[..., :, None] * s[..., None, :])
        num_features = value.shape[-1]
        log_jacobian = num_features * (jnp.log(2.0) + jnp.sum(jnp.log(s), axis=-1))
        return jnp.asarray(self.scale.log_prob(s) + self.correlation.log_prob(correlation)) - log_jacobian
