"""Second derivatives of the log-likelihood in the natural parameters, as two more matrix products."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures._kernel.rows import PRODUCTS, SQUARES, Rows, statistics

_BLOCK_ELEMENTS = 2**20  # responsibilities times statistics held at once


@eqx.filter_jit
def natural_curvature(eta: Float[Array, "K P"], rows: Rows, independent: bool) -> Float[Array, "K P K P"]:
    """Hessian of Σ_n w_n log Σ_k exp(η_k · T(z_n)): Σ_n w_n (r_nk δ_kl − r_nk r_nl) T T′ (Louis 1982, eq. 3.2)."""
    num_components, num_stats = eta.shape
    form = SQUARES if independent else PRODUCTS

    def add(total, block):
        values, weights = block
        stats = values if rows.stored else statistics(values, form)
        r = jax.nn.softmax(eta @ stats, axis=0)
        own = (r * weights)[:, None, :] * stats
        shared = (r[:, None, :] * stats).reshape(num_components * num_stats, -1)
        return (total[0] + own @ stats.T, total[1] + (shared * weights) @ shared.T), None

    size = num_components * num_stats
    zero = (jnp.zeros((num_components, num_stats, num_stats), eta.dtype), jnp.zeros((size, size), eta.dtype))
    own, shared = jax.lax.scan(add, zero, _small_blocks(rows, size))[0]
    index = jnp.arange(num_components)
    hessian = -shared.reshape(num_components, num_stats, num_components, num_stats)
    return hessian.at[index, :, index, :].add(own)


def _small_blocks(rows: Rows, size: int):
    """The rows in blocks small enough; the last rows of each block are padded."""
    count, height, width = rows.blocks.shape
    small = min(width, max(256, _BLOCK_ELEMENTS // size))
    parts = -(-width // small)
    padding = parts * small - width
    values = jnp.pad(rows.blocks, ((0, 0), (0, 0), (0, padding)))
    values = values.reshape(count, height, parts, small).swapaxes(1, 2).reshape(count * parts, height, small)
    return values, jnp.pad(rows.weights, ((0, 0), (0, padding))).reshape(count * parts, small)
