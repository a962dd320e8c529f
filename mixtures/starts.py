"""Where EM starts: equal-weight components at distinct rows."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mixtures._kernel import Frame
from mixtures.families import AbstractParams
from mixtures.model import Mixture


def random_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Starting parameters with a leading axis of `num_starts`: cautious and exploring ones in turn."""
    key_cautious, key_exploring = jax.random.split(key)
    cautious = cautious_starts(model, x, key_cautious, num_starts - num_starts // 2)
    exploring = exploring_starts(model, x, key_exploring, num_starts // 2)
    order = jnp.argsort(jnp.r_[0:num_starts:2, 1:num_starts:2])
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b])[order], cautious, exploring)


def cautious_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Wide components at centres chosen by k-means++.

    A centre is drawn with probability ∝ squared distance to the nearest one before it (Arthur and Vassilvitskii 2007).
    """
    z = Frame.of(x).standardise(x)
    widths = jnp.ones(model.num_components, x.dtype)

    def start(key):
        return model.family.start_at(x[_choose_rows(key, z, model.num_components, 1.0)], widths, x)

    return jax.lax.map(start, jax.random.split(key, num_starts))


def exploring_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Components at distinct rows chosen uniformly, variances narrower by random factors between e⁻⁶ and 1.

    They find small tight groups that cautious starts miss, and run into collapsing components where those exist.
    """
    z = Frame.of(x).standardise(x)

    def start(key):
        key_rows, key_widths = jax.random.split(key)
        widths = jnp.exp(jax.random.uniform(key_widths, (model.num_components,), x.dtype, -6.0, 0.0))
        return model.family.start_at(x[_choose_rows(key_rows, z, model.num_components, 0.0)], widths, x)

    return jax.lax.map(start, jax.random.split(key, num_starts))


def _choose_rows(key: Key[Array, ""], z: Float[Array, "N D"], count: int, power: float):
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
