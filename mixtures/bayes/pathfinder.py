"""Multi-path Pathfinder: normal approximations along many optimisations at once, weighed against each other."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

_MOST_ITERATIONS = 100


class Paths(eqx.Module):
    """Draws resampled from those of all paths, and the log importance ratios of these before."""

    draws: Float[Array, "S d"]
    log_ratios: Float[Array, "R M"]  # −∞ where a path's draw has no density


def multipath(
    energy: Callable[[Float[Array, " d"]], Float[Array, ""]],
    key: Key[Array, ""],
    starts: Float[Array, "R d"],
    num_samples: int,
) -> Paths:
    """Pathfinder (Zhang, Carpenter, Gelman and Vehtari 2022, algorithms 1 and 2) from every start.

    Where paths end in different modes the resampling, by Pareto-smoothed importance weights, keeps each in proportion.
    """
    from blackjax.diagnostics import psis_weights
    from blackjax.vi.multipathfinder import multi_approximate

    key_paths, key_draws = jax.random.split(key)
    each = -(-num_samples // len(starts))
    paths, _ = multi_approximate(key_paths, lambda u: -energy(u), starts, num_samples=each, maxiter=_MOST_ITERATIONS)
    ratios = jnp.where(jnp.isfinite(paths.logp), paths.logp - paths.logq, -jnp.inf)
    log_weights, _ = psis_weights(ratios.ravel())
    pool = jnp.asarray(paths.samples).reshape(-1, starts.shape[1])
    chosen = jax.random.categorical(key_draws, log_weights, shape=(num_samples,))
    return Paths(pool[chosen], ratios)
