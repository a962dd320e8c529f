"""The largest log-likelihood under each of a ladder of variance floors, from the largest floor down."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures._trees import map_in_blocks
from mixtures.em import accelerate, race
from mixtures.em.step import EMState
from mixtures.families import AbstractParams, Moments
from mixtures.model import Mixture
from mixtures.priors.floor import Floor
from mixtures.starts import random_starts

_ATOL = 1e-4  # nats still to be gained where a start counts as settled; far less than a picture shows
_WORK = 2**29  # rows × components × statistics × E-steps spent in all; a second or two
_SAME = 1e-5  # nats between solutions of which one is as good as the other
_REPLACED = 3  # components, those of least weight first, that a spike may take the place of


class Effort(NamedTuple):
    """What is spent at each floor."""

    num_random: int
    num_spikes: int  # for each of the two solutions that spikes are put into
    num_kept: int
    num_steps: int  # E-steps of every start; the best go on at the next floor


def effort_for(num_rows: int, num_features: int, num_components: int, num_starts: int, num_floors: int) -> Effort:
    """A quarter of the starts at random, the others spikes; fewer and shorter where `_WORK` allows no more."""
    full = Effort(num_starts // 4, 3 * num_starts // 8, 6, 60)
    num_stats = 1 + num_features * (num_features + 3) // 2
    steps = _WORK / (num_rows * num_components * num_stats * num_floors)
    share = min(1.0, steps / ((num_starts + full.num_kept) * full.num_steps))
    least = Effort(1, 1, 2, 4)
    return Effort._make(max(small, int(n * share**0.5)) for small, n in zip(least, full, strict=True))


def num_places(effort: Effort, num_components: int) -> int:
    """How many places for spikes an effort has use for."""
    return -(-effort.num_spikes // min(_REPLACED, num_components))


@eqx.filter_jit
def descend(
    model: Mixture,
    rows: Rows,
    x: Float[Array, "N D"],
    key: Key[Array, ""],
    interior: AbstractParams,
    spikes: Moments,
    floors: Float[Array, " F"],
    effort: Effort,
) -> tuple[Float[Array, " F"], Float[Array, " F"], Bool[Array, " F"]]:
    """At each floor, from the largest down, the best value, its smallest variance, and whether it is settled."""
    starts = _join(random_starts(model, x, key, effort.num_random), jax.tree.map(lambda leaf: leaf[None], interior))
    batch = race.lanes(rows.num_rows, model, effort.num_random)
    seeds = map_in_blocks(lambda params: model.family.e_step(params, rows)[1], starts, batch)
    at_interior = jax.tree.map(lambda leaf: leaf[-1], seeds)
    seeds = _join(seeds, _with_spikes(at_interior, spikes, effort.num_spikes))

    def at_floor(kept: EMState, floor: Float[Array, ""]):
        floored = eqx.tree_at(lambda m: m.prior, model, Floor(floor, rows.frame.scale))
        fresh = _join(seeds, _with_spikes(_best(kept).moments, spikes, effort.num_spikes))
        states = _join(_go_on(kept), jax.vmap(lambda moments: _before_m_step(interior, moments))(fresh))
        states = race.advance_all(accelerate, floored, rows, states, jnp.asarray(_ATOL), jnp.int32(effort.num_steps))
        states = _join(states, kept)  # feasible still, should going on have led nowhere
        best = _best(states)
        least = jnp.min(model.family.least_variances(best.params, rows.frame))
        return _highest(states, effort.num_kept), (best.objective, least, best.status == Status.CONVERGED)

    nothing = jax.vmap(lambda _: _before_m_step(interior, at_interior))(jnp.arange(effort.num_kept))
    return jax.lax.scan(at_floor, nothing, floors)[1]


def _before_m_step(params: AbstractParams, moments: Moments) -> EMState:
    """A state of which only the statistics count: the M-step that follows makes feasible parameters of them.

    At the interior maximum's own statistics it gives that maximum wherever the floor allows it.
    """
    nothing = jnp.asarray(-jnp.inf, moments.counts.dtype)
    return EMState(params, moments, nothing, nothing, nothing * jnp.nan, jnp.int32(0), jnp.int32(Status.RUNNING))


def _with_spikes(moments: Moments, spikes: Moments, count: int) -> Moments:
    """Statistics with one component given to the rows of one place: `count` of them, the fullest places first."""
    replaced = jnp.argsort(moments.counts)[: min(_REPLACED, moments.counts.shape[0])]

    def one(i):
        place, component = i // len(replaced), replaced[i % len(replaced)]
        taken = {
            name: getattr(moments, name).at[component].set(getattr(spikes, name)[place])
            for name in ("counts", "means", "scatter")
        }
        return Moments(**taken, others=moments.others)

    return jax.vmap(one)(jnp.arange(count))


def _highest(states: EMState, count: int) -> EMState:
    """The `count` highest states, those that say the same as another last."""
    height = _height(states)
    order = jnp.argsort(-height)
    ordered = height[order]
    repeated = jnp.concatenate([jnp.zeros(1, bool), ordered[:-1] - ordered[1:] < _SAME])
    chosen = order[jnp.argsort(repeated, stable=True)][:count]
    return jax.tree.map(lambda leaf: leaf[chosen], states)


def _best(states: EMState) -> EMState:
    best = jnp.argmax(_height(states))
    return jax.tree.map(lambda leaf: leaf[best], states)


def _height(states: EMState) -> Float[Array, " R"]:
    return jnp.where(jnp.isfinite(states.objective), states.objective, -jnp.inf)


def _go_on(states: EMState) -> EMState:
    restart = jnp.full_like(states.status, Status.RUNNING), jnp.zeros_like(states.num_steps)
    return eqx.tree_at(lambda s: (s.status, s.num_steps), states, restart)


def _join(*trees):
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)
