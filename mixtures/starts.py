"""Where EM starts: equal-weight components at distinct rows."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from mixtures._kernel import Frame
from mixtures.families import AbstractParams
from mixtures.model import Mixture


def random_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Starting parameters with a leading axis of `num_starts`.

    Even starts are cautious: centres by k-means++ (probability ∝ squared distance to the nearest chosen centre: Arthur
    and Vassilvitskii 2007), widths all alike. Odd ones explore: centres at distinct rows chosen uniformly, variances
    narrower by a random factor between e⁻⁶ and 1, so that small tight groups are found too. Rows equal to a chosen
    centre are never chosen again, so no two components start, and stay, identical.
    """
    z = Frame.of(x).standardise(x)
    explores = jnp.arange(num_starts) % 2 == 1

    def start(arguments):
        (key_rows, key_widths), explore = jax.random.split(arguments[0]), arguments[1]
        chosen = _choose_rows(key_rows, z, model.num_components, jnp.where(explore, 0.0, 1.0).astype(x.dtype))
        narrowing = jax.random.uniform(key_widths, (model.num_components,), x.dtype, -6.0, 0.0)
        return model.family.start_at(x[chosen], jnp.exp(jnp.where(explore, narrowing, 0.0)), x)

    return jax.lax.map(start, (jax.random.split(key, num_starts), explores))


def _choose_rows(key: Key[Array, ""], z: Float[Array, "N D"], count: int, power: Float[Array, ""]):
    """Indices of `count` distinct rows, each drawn with probability ∝ (squared distance to those before)^power."""
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
