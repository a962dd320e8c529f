"""Rotation matrices for NumPyro: their constraint, the Cayley transform, and the uniform distribution over them.

Densities of rotations are with respect to the uniform (Haar) probability measure, so the uniform density is 1.
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key
from numpyro.distributions import constraints
from numpyro.distributions.transforms import Transform, biject_to


class _Rotation(constraints._SingletonConstraint):
    """Orthogonal D × D matrices of determinant 1."""

    event_dim = 2

    def __call__(self, x):
        """Whether x is one."""
        square = jnp.swapaxes(x, -1, -2) @ x
        orthogonal = jnp.all(jnp.abs(square - jnp.eye(x.shape[-1])) < 1e-5, axis=(-1, -2))
        return orthogonal & (jnp.linalg.det(x) > 0)

    def feasible_like(self, prototype):
        """The identity."""
        return jnp.broadcast_to(jnp.eye(prototype.shape[-1]), prototype.shape)


rotation = _Rotation()


class CayleyTransform(Transform):
    """Q = (I + S)⁻¹ (I − S) for the skew-symmetric S whose upper triangle is the vector (Cayley 1846).

    It reaches every rotation without an eigenvalue of −1, that is, all but a set of measure zero. The Jacobian is that
    of the uniform measure: 2^(D(D−1)/2) det(I + S)^(1−D) over the volume of the rotation group.
    """

    domain = constraints.real_vector  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    codomain = rotation  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __call__(self, x: Float[Array, "*B E"]) -> Float[Array, "*B D D"]:
        """Rotations of vectors."""
        skew = _skew(x)
        identity = jnp.eye(skew.shape[-1], dtype=skew.dtype)
        return jnp.linalg.solve(identity + skew, identity - skew)

    def _inverse(self, y: Float[Array, "*B D D"]) -> Float[Array, "*B E"]:
        identity = jnp.eye(y.shape[-1], dtype=y.dtype)
        skew = jnp.linalg.solve(identity + y, identity - y)
        return skew[..., *np.triu_indices(y.shape[-1], 1)]

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        """Log density of the uniform measure at the vector."""
        skew = _skew(x)
        num_features = skew.shape[-1]
        log_det = jnp.linalg.slogdet(jnp.eye(num_features, dtype=skew.dtype) + skew)[1]
        entries = num_features * (num_features - 1) // 2
        return entries * math.log(2) - (num_features - 1) * log_det - _log_volume(num_features)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(…, D(D−1)/2) to (…, D, D)."""
        num_features = _num_features(shape[-1])
        return (*shape[:-1], num_features, num_features)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(…, D, D) to (…, D(D−1)/2)."""
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)

    def tree_flatten(self):
        """No parameters."""
        return (), ((), {})

    def eq(self, other: object, static: bool = False) -> bool:
        """All are the same."""
        return isinstance(other, CayleyTransform)


@biject_to.register(rotation)
def _(constraint) -> CayleyTransform:
    return CayleyTransform()


def _num_features(entries: int) -> int:
    return (1 + math.isqrt(1 + 8 * entries)) // 2


def _skew(x: Float[Array, "*B E"]) -> Float[Array, "*B D D"]:
    num_features = _num_features(x.shape[-1])
    upper = jnp.zeros((*x.shape[:-1], num_features, num_features), x.dtype)
    upper = upper.at[..., *np.triu_indices(num_features, 1)].set(x)
    return upper - jnp.swapaxes(upper, -1, -2)


def _log_volume(num_features: int) -> float:
    """Log volume of the rotation group: the product of the areas of the unit spheres S¹ … S^(D−1)."""
    return sum(math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2) for d in range(2, num_features + 1))


class UniformRotation(dist.Distribution):
    """Uniformly distributed rotations of D features."""

    arg_constraints: ClassVar[dict] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    support = rotation  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, num_features: int):
        super().__init__(batch_shape=(), event_shape=(num_features, num_features), validate_args=False)

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Float[Array, "*S D D"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw rotations, shape sample_shape + (D, D)."""
        num_features = self.event_shape[0]
        axes = jax.random.orthogonal(key, num_features, sample_shape)
        return axes.at[..., 0].multiply(jnp.linalg.det(axes)[..., None])

    def log_prob(self, value: Float[Array, "*S D D"], intermediates=None) -> Float[Array, "*S"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Nought: the density is relative to this very distribution."""
        return jnp.zeros(value.shape[:-2], value.dtype)
