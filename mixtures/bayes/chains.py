"""Where chains begin, and on which devices they run."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Key

from mixtures._kernel import Frame
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture
from mixtures.starts import given_params

_RADIUS = 2.0  # over-dispersed starts are uniform on [−2, 2] in every standardised unconstrained coordinate, as in Stan
_JITTER = 0.1  # sd about given parameters, in the same coordinates
AXIS = "chain"


def starting_points(
    model: Mixture,
    x: Float[Array, "N D"],
    key: Key[Array, ""],
    start: str | AbstractParams | Sequence[AbstractParams],
    num_chains: int,
) -> Float[Array, "C d"]:
    """Unconstrained coordinates at which chains begin.

    Raises
    ------
    ValueError
        If `start` is neither ``"dispersed"`` nor parameters of this mixture.
    """
    if isinstance(start, str):
        if start != "dispersed":
            raise ValueError(f"start must be 'dispersed' or parameters, got {start!r}.")
        return _dispersed(model, x, key, num_chains)
    several = [start] if isinstance(start, AbstractParams) else start
    if not isinstance(several, list | tuple) or not several or not all(isinstance(s, AbstractParams) for s in several):
        raise ValueError("start must be 'dispersed', parameters such as those of an EM fit, or a list of these.")
    sets = [given_params(model, x.shape[1], one) for one in several]
    return _near(model, x, key, jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *sets), num_chains)


@eqx.filter_jit
def _dispersed(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_chains: int) -> Float[Array, "C d"]:
    shape = (num_chains, Coordinates.of(model, Frame.of(x)).size)
    return jax.random.uniform(key, shape, x.dtype, -_RADIUS, _RADIUS)


@eqx.filter_jit
def _near(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], params: AbstractParams, num_chains: int):
    coordinates = Coordinates.of(model, Frame.of(x))
    points = jax.vmap(lambda one: coordinates.vector(coordinates.into_support(one)))(params)
    chosen = points[jnp.arange(num_chains) % len(points)]
    return chosen + _JITTER * jax.random.normal(key, chosen.shape, chosen.dtype)


def device_mesh(num_chains: int, x: Float[Array, "N D"]) -> Mesh | None:
    """As many local devices as divide the number of chains; None for one, or where rows are spread over them."""
    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if num_chains % n == 0)
    if count == 1 or len(x.sharding.device_set) > 1:
        return None
    return Mesh(np.array(devices[:count]), (AXIS,))
