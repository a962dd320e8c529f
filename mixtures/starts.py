"""Where EM starts: equal-weight components at distinct rows."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from mixtures._kernel import Frame
from mixtures.families import AbstractParams
from mixtures.model import Mixture


class Draws(NamedTuple):
    """Where R starts have their components: indices of rows, and widths to begin with."""

    rows: Int[Array, "R K"]
    widths: Float[Array, "R K"]


def random_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Starting parameters with a leading axis of `num_starts`, as `draw_starts` draws them."""
    return start_at(model, x, draw_starts(x, key, model.num_components, num_starts))


def cautious_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """The cautious ones only."""
    keys, powers = jax.random.split(key, num_starts), jnp.ones(num_starts, x.dtype)
    widths = jnp.ones((num_starts, model.num_components), x.dtype)
    return start_at(model, x, Draws(_draw_rows(x, keys, powers, model.num_components), widths))


def start_at(model: Mixture, x: Float[Array, "N D"], draws: Draws) -> AbstractParams:
    """Parameters of the family at these rows."""
    return jax.lax.map(lambda each: model.family.start_at(x[each.rows], each.widths, x), draws)


@eqx.filter_jit  # on its own, as its program serves every family and is as large as one of theirs
def draw_starts(x: Float[Array, "N D"], key: Key[Array, ""], num_components: int, num_starts: int) -> Draws:
    """Cautious and exploring starts in turn.

    Cautious starts are wide components at centres chosen by k-means++: each is drawn with probability ∝ squared
    distance to the nearest one before it (Arthur and Vassilvitskii 2007). Exploring ones lie at distinct rows chosen
    uniformly, with variances narrower by random factors between e⁻⁶ and 1. They find small tight groups that cautious
    starts miss, and run into collapsing components where those exist.
    """
    key_cautious, key_exploring = jax.random.split(key)
    half = num_starts // 2
    keys = jax.vmap(jax.random.split)(jax.random.split(key_exploring, half))
    narrow = jax.vmap(lambda key: jax.random.uniform(key, (num_components,), x.dtype, -6.0, 0.0))(keys[:, 1])
    row_keys = jnp.concatenate([jax.random.split(key_cautious, num_starts - half), keys[:, 0]])
    widths = jnp.concatenate([jnp.ones((num_starts - half, num_components), x.dtype), jnp.exp(narrow)])
    powers = jnp.repeat(jnp.array([1.0, 0.0], x.dtype), np.array([num_starts - half, half]))
    order = np.argsort(np.r_[0:num_starts:2, 1:num_starts:2])
    return Draws(_draw_rows(x, row_keys[order], powers[order], num_components), widths[order])


def _draw_rows(x: Float[Array, "N D"], keys, powers: Float[Array, " R"], num_components: int) -> Int[Array, "R K"]:
    z = Frame.of(x).standardise(x)
    return jax.lax.map(lambda each: _choose_rows(each[0], z, num_components, each[1]), (keys, powers))


def _choose_rows(key: Key[Array, ""], z: Float[Array, "N D"], count: int, power: Float[Array, ""]):
    """Indices of `count` distinct rows, each drawn with probability ∝ (squared distance to those before)^power.

    Rows equal to a chosen one are never chosen again, so no two components start, and stay, identical.
    """
    key_first, *keys = jax.random.split(key, count)
    first = jax.random.randint(key_first, (), 0, z.shape[0])

    def choose(distance, key):
        logits = jnp.where(distance > 0, power * jnp.log(distance), -jnp.inf)
        chosen = jax.random.categorical(key, logits)
        return jnp.minimum(distance, _squared_distance(z, z[chosen])), chosen

    if not keys:
        return first[None]
    _, others = jax.lax.scan(choose, _squared_distance(z, z[first]), jnp.stack(keys))
    return jnp.concatenate([first[None], others])


def _squared_distance(z: Float[Array, "N D"], centre: Float[Array, " D"]) -> Float[Array, " N"]:
    return jnp.sum((z - centre) ** 2, axis=1)
