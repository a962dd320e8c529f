"""Trees whose leaves share their leading axes: flattened, worked through in blocks, and chosen between."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

_BLOCK_ELEMENTS = 2**17  # elements worked on at once: they should fit a cache


def flatten_draws(draws):
    """The same draws with one leading axis in place of (chain, draw)."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), draws)


@eqx.filter_jit
def evenly(draws, count: int):
    """As many draws as `count`, spread evenly over all chains, with one leading axis."""
    flat = flatten_draws(draws)
    chosen = np.linspace(0, jax.tree.leaves(flat)[0].shape[0] - 1, count).round().astype(int)
    return jax.tree.map(lambda leaf: leaf[chosen], flat)


def map_draws(function, draws, elements_per_draw: int):
    """Apply a function to every draw (leading axis), in blocks that bound memory."""
    return map_in_blocks(function, draws, _BLOCK_ELEMENTS // elements_per_draw)


def map_in_blocks(function, cases, most: int):
    """Apply a function to every case (leading axis), at most so many at once, in blocks of equal size.

    The last block repeats a case to be as long as the others: `jax.lax.map` would compile the function twice.
    """
    blocks, places, count = _blocks(cases, most)
    if len(places) <= 1:
        return jax.vmap(function)(cases)
    found = jax.lax.map(jax.vmap(function), blocks)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], found)


def sum_in_blocks(function, cases, most: int):
    """Sum of a function's arrays over all cases (leading axis), of which at most so many are worked on at once."""
    blocks, places, count = _blocks(cases, most)

    def add(total, block):
        own, counts = block
        found = jax.vmap(function)(own)
        return jax.tree.map(lambda t, leaf: t + jnp.tensordot(counts.astype(leaf.dtype), leaf, 1), total, found), None

    one = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], cases))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), one)
    return jax.lax.scan(add, nothing, (blocks, places < count))[0]


def _blocks(cases, most: int):
    """Cases in blocks of equal size, the last repeated where there are too few; their places, and how many they are."""
    count = jax.tree.leaves(cases)[0].shape[0]
    num_blocks = -(-count // max(1, most))
    size = -(-count // num_blocks)
    places = np.arange(num_blocks * size).reshape(num_blocks, size)
    return jax.tree.map(lambda leaf: leaf[np.minimum(places, count - 1)], cases), places, count


def choose(condition: Bool[Array, "..."], one, other):
    """Entries of `one` where the condition holds along the leading axes, and of `other` elsewhere."""

    def leaf(a, b):
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(leaf, one, other)
