"""Probability distributions the package needs and NumPyro lacks."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln, multigammaln
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


class HierarchicalInverseGamma(dist.Distribution):
    """Variances of K components whose inverse-gamma rate is itself unknown, with that rate integrated out.

    1/σ²_k | C ~ gamma(shape, C) for k = 1 … K and C ~ gamma(hyper_shape, hyper_rate), so that
    p(1/σ²) = Γ(Kc + g) G^g / (Γ(c)^K Γ(g)) · Π_k σ_k^(2 − 2c) · (G + Σ_k 1/σ²_k)^−(Kc + g).

    Parameters
    ----------
    shape, hyper_shape
        c and g, positive numbers.
    hyper_rate
        G, one for each entry of a block of variances, such as (D,) or (): entries have rates of their own.
    batch
        (K,), or () for one block that all components share.
    """

    arg_constraints: ClassVar[dict] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    pytree_data_fields = ("shape_", "hyper_shape", "hyper_rate")
    pytree_aux_fields = ("batch",)

    def __init__(self, shape: Array, hyper_shape: Array, hyper_rate: Float[Array, "..."], batch: tuple[int, ...]):
        self.shape_, self.hyper_shape, self.hyper_rate = shape, hyper_shape, hyper_rate
        self.batch = batch
        super().__init__((), (*batch, *jnp.shape(hyper_rate)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Positive numbers."""
        return constraints.independent(constraints.positive, len(self.event_shape))

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw variances, shape sample_shape + batch + those of a block."""
        key_rate, key_precision = jax.random.split(key)
        one_for_all = (*sample_shape, *[1] * len(self.batch), *jnp.shape(self.hyper_rate))
        rate = jax.random.gamma(key_rate, self.hyper_shape, one_for_all) / self.hyper_rate
        return rate / jax.random.gamma(key_precision, self.shape_, (*sample_shape, *self.event_shape))

    def draw_rate(self, key: Key[Array, ""], value: Float[Array, "..."]) -> Float[Array, "..."]:
        """Draw C given the variances: gamma(Kc + g, G + Σ_k 1/σ²_k)."""
        inverse = jnp.sum(1 / value, axis=tuple(range(len(self.batch))))
        shape = jnp.broadcast_to(math.prod(self.batch) * self.shape_ + self.hyper_shape, inverse.shape)
        return jax.random.gamma(key, shape) / (self.hyper_rate + inverse)

    def log_prob(self, value: Float[Array, "..."], intermediates=None) -> Float[Array, "..."]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Log density with respect to the variances."""
        c, g, rate, count = self.shape_, self.hyper_shape, self.hyper_rate, math.prod(self.batch)
        entries = tuple(range(-rate.ndim, 0))
        components = tuple(range(-len(self.event_shape), -rate.ndim))
        of_precisions = (
            gammaln(count * c + g) - count * gammaln(c) - gammaln(g) + g * jnp.log(rate)
            - (count * c + g) * jnp.log(rate + jnp.sum(1 / value, axis=components))
        )  # fmt: skip
        return jnp.sum(of_precisions - (c + 1) * jnp.sum(jnp.log(value), axis=components), axis=entries)


class HierarchicalInverseWishart(dist.Distribution):
    """Covariances of K components whose inverse-Wishart scale is itself unknown, with that scale integrated out.

    Σ_k⁻¹ | C ~ W(shape, C) for k = 1 … K and C ~ W(hyper_shape, hyper_rate), where W(c, C) has a density in proportion
    to |Q|^(c − (D+1)/2) exp(−tr C Q), as in Frühwirth-Schnatter (2006, section 6.3.2). Hence
    p(Q) = Γ_D(Kc + g) |G|^g / (Γ_D(c)^K Γ_D(g)) · Π_k |Q_k|^(c − (D+1)/2) · |G + Σ_k Q_k|^−(Kc + g).

    Parameters
    ----------
    shape, hyper_shape
        c and g, above (D − 1)/2.
    hyper_rate
        G, a positive definite matrix, (D, D).
    batch
        (K,), or () for one matrix that all components share.
    """

    arg_constraints: ClassVar[dict] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    pytree_data_fields = ("shape_", "hyper_shape", "hyper_rate")
    pytree_aux_fields = ("batch",)

    def __init__(self, shape: Array, hyper_shape: Array, hyper_rate: Float[Array, "D D"], batch: tuple[int, ...]):
        self.shape_, self.hyper_shape, self.hyper_rate = shape, hyper_shape, hyper_rate
        self.batch = batch
        super().__init__((), (*batch, *jnp.shape(hyper_rate)), validate_args=False)

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw covariances, shape sample_shape + batch + (D, D)."""
        key_rate, key_covariance = jax.random.split(key)
        one_for_all = (*sample_shape, *[1] * len(self.batch))
        rate = dist.Wishart(2 * self.hyper_shape, rate_matrix=2 * self.hyper_rate).sample(key_rate, one_for_all)
        scale = jnp.broadcast_to(2 * jnp.asarray(rate), (*sample_shape, *self.event_shape))
        return jnp.asarray(dist.InverseWishart(2 * self.shape_, scale_matrix=scale).sample(key_covariance))

    def draw_rate(self, key: Key[Array, ""], value: Float[Array, "..."]) -> Float[Array, "D D"]:
        """Draw C given the covariances: W(Kc + g, G + Σ_k Σ_k⁻¹)."""
        inverse = jnp.sum(jnp.linalg.inv(value), axis=tuple(range(len(self.batch))))
        shape = math.prod(self.batch) * self.shape_ + self.hyper_shape
        return jnp.asarray(dist.Wishart(2 * shape, rate_matrix=2 * (self.hyper_rate + inverse)).sample(key))

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Positive definite matrices."""
        return constraints.independent(constraints.positive_definite, len(self.batch))

    def log_prob(self, value: Float[Array, "..."], intermediates=None) -> Float[Array, "..."]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Log density with respect to the free entries of the covariances."""
        c, g, rate, count, size = self.shape_, self.hyper_shape, self.hyper_rate, math.prod(self.batch), value.shape[-1]
        log_dets = jnp.sum(_log_det(value), axis=tuple(range(-len(self.batch), 0)))
        total = rate + jnp.sum(jnp.linalg.inv(value), axis=tuple(range(-2 - len(self.batch), -2)))
        return (
            multigammaln(count * c + g, size) - count * multigammaln(c, size) - multigammaln(g, size)
            + g * _log_det(rate) - (count * c + g) * _log_det(total) - (c + (size + 1) / 2) * log_dets
        )  # fmt: skip


def _log_det(matrix: Float[Array, "... D D"]) -> Float[Array, "..."]:
    return 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(matrix), axis1=-2, axis2=-1)), axis=-1)
