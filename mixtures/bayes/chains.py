"""Where chains begin, on which devices they run, and how a run is cut into chunks."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key

from mixtures._drivers import OnProgress
from mixtures._kernel import Frame
from mixtures._threads import together
from mixtures.bayes.checkpoint import Checkpoint
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture
from mixtures.starts import given_params

_RADIUS = 2.0  # over-dispersed starts are uniform on [−2, 2] in every standardised unconstrained coordinate, as in Stan
_JITTER = 0.1  # sd about given parameters, in the same coordinates
_CHUNK = 250  # iterations of one compiled chunk, at most


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
    return Mesh(np.array(devices[:count]), ("chain",))


def threads_help(x: Float[Array, "N D"]) -> bool:
    """Whether programs on several threads share out the cores: a small one keeps a single core busy."""
    return len(x.sharding.device_set) == 1 and next(iter(x.devices())).platform == "cpu" and (os.cpu_count() or 1) > 1


def on_threads(program: Callable[[Int[Array, ""]], Any], num_chains: int) -> list[Any]:
    """The compiled `program` of every chain's number, as many at once as there are cores."""

    def run(chain: Int[Array, ""]) -> Any:
        return jax.block_until_ready(program(chain))

    with together() as begin:
        return [one.result() for one in [begin(run, jnp.int32(chain)) for chain in range(num_chains)]]


def in_chunks(
    advance: Callable[[Any, int], tuple[Any, Any]],
    states: Any,
    total: int,
    found: tuple[int, Any] | None = None,
    kept: Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Any:
    """Draws (C, S, …) of at least `total` iterations, chunk by chunk.

    `advance` takes states and a number of iterations, and gives states and draws. What a checkpoint `found` is gone on
    from: chunks done, and their states and draws. All chunks have one length, so that one program does them all.
    """
    num_chunks = -(-total // _CHUNK)
    length = -(-total // num_chunks)
    done, (states, *parts) = found or (0, (states,))
    for chunk in range(done, num_chunks):
        states, more = advance(states, length)
        parts.append(more)
        if kept is not None:
            kept.save(chunk + 1, (states, _joined(parts)))
        if on_progress is not None:
            jax.block_until_ready(more)
            on_progress(min((chunk + 1) * length, total), total)
    return _joined(parts)


def _joined(parts: list[Any]) -> Any:
    """Draws of several chunks one after the other."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), *parts)
