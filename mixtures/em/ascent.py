"""A safeguarded Newton step uphill: what a numerical M-step and the end of EM share."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

_LONGEST_STEP = 3.0  # in any unconstrained coordinate: a factor e³ in a variance, three data widths in a mean
_LEAST_CURVATURE = 1e-10  # of the largest: below it a direction is flat


class Direction(NamedTuple):
    """Newton's step with negative curvature turned round, the gain it promises, and whether nothing was turned."""

    step: Float[Array, " d"]
    promised: Float[Array, ""]
    definite: Bool[Array, ""]


def newton_direction(gradient: Float[Array, " d"], hessian: Float[Array, "d d"]) -> Direction:
    """Where to go from a point with this gradient and Hessian, and at most how far."""
    unit = jax.lax.rsqrt(jnp.maximum(jnp.abs(jnp.diagonal(hessian)), jnp.finfo(gradient.dtype).tiny))
    curvature, axes = jnp.linalg.eigh(-hessian * unit[:, None] * unit)
    slope = axes.T @ (unit * gradient)
    floor = _LEAST_CURVATURE * jnp.max(jnp.abs(curvature))
    turned = jnp.maximum(jnp.abs(curvature), floor)
    step = unit * (axes @ (slope / turned))
    step = step * jnp.minimum(1.0, _LONGEST_STEP / jnp.max(jnp.abs(step)))
    return Direction(step, 0.5 * jnp.sum(slope**2 / turned), jnp.all(curvature > floor))


def along(start: Float[Array, " d"], step: Float[Array, " d"], num_lengths: int) -> Float[Array, "L d"]:
    """A few points along a step, each a quarter as far as the one before."""
    return start + 0.25 ** np.arange(num_lengths)[:, None] * step


def highest(
    function: Callable[[Array], Array], start: Float[Array, " d"], step: Float[Array, " d"], num_lengths: int
) -> tuple[Float[Array, " d"], Float[Array, ""]]:
    """The best of a few points along a step, and its height."""
    candidates = along(start, step, num_lengths)
    heights = jax.vmap(function)(candidates)
    heights = jnp.where(jnp.isfinite(heights), heights, -jnp.inf)
    best = jnp.argmax(heights)
    return candidates[best], heights[best]
