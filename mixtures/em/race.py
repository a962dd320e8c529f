"""The drivers of EM: short runs of all starts, then the best few to convergence."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures._trees import map_in_blocks
from mixtures.coordinates import Coordinates
from mixtures.em import accelerate, newton
from mixtures.em import step as em_step
from mixtures.em.relay import relay
from mixtures.em.step import EMState
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_LANE_LIMIT = 2**20  # rows × components × starts advanced at once; beyond it starts take turns
_HEATS = ((15, 1), (30, 2), (60, 4))  # E-steps of a short run, and the share of the starts that take so many
_LONG_RUN, _LONGEST_RUN = 300, 1000  # E-steps of the finalists, and of these where all starts are
_LONG_WORK = 2**26  # rows × components × E-steps of them all


def lanes(num_rows: int, model: Mixture, num_starts: int) -> int:
    """How many starts are advanced at once."""
    return max(1, min(num_starts, _LANE_LIMIT // (num_rows * model.num_components)))


@eqx.filter_jit
def begin(
    model: Mixture,
    rows: Rows,
    x: Float[Array, "N D"],
    labels: Int[Array, " N"] | None,
    params: AbstractParams,
) -> EMState:
    """A state for each start, with components that have known rows placed at their means."""
    coordinates = Coordinates.of(model, rows.frame)
    if labels is not None:
        params = model.family.place(params, *_known_means(x, labels, model.num_components))

    def one(params):
        return em_step.init(model, rows, model.keep_fixed(coordinates.into_support(params)))

    return map_in_blocks(one, params, lanes(rows.num_rows, model, params.weights.shape[0]))


def _known_means(x: Float[Array, "N D"], labels: Int[Array, " N"], num_components: int):
    """Mean of the rows known to come from each component, and how many there are."""
    known = (labels == jnp.arange(num_components)[:, None]).astype(x.dtype)
    counts = jnp.sum(known, axis=1)
    return known @ x / jnp.maximum(counts, 1.0)[:, None], counts


@eqx.filter_jit
def short_runs(
    model: Mixture, rows: Rows, states: EMState, atol: Float[Array, ""], limit: Int[Array, ""], num_finalists: int
) -> EMState:
    """Accelerated EM from every start, longer for the better half and the best quarter, and longest for finalists.

    Few need more E-steps than these have; for the others there is Newton's method, which takes long to compile.
    """
    num_starts = states.status.shape[0]
    heats = [(max(num_finalists, num_starts // share), length) for length, share in _HEATS]
    affordable = max(_HEATS[-1][0], _LONG_WORK // (rows.num_rows * model.num_components * num_finalists))
    heats.append((num_finalists, min(_LONG_RUN, affordable)))
    if num_finalists == num_starts:
        heats = [(num_starts, _LONGEST_RUN)]
    counts, lengths = jnp.asarray(heats, jnp.int32).T

    def heat(number, states):
        until = jnp.minimum(limit, lengths[number])
        return advance_best(accelerate, model, rows, states, counts[number], num_starts, atol, until)

    return jax.lax.fori_loop(0, len(heats), heat, states)


@eqx.filter_jit
def finals(
    model: Mixture, rows: Rows, states: EMState, atol: Float[Array, ""], limit: Int[Array, ""], num_finalists: int
) -> EMState:
    """Run the best unfinished starts to convergence, by Newton's method where it is affordable; drop the rest."""
    newtonian = rows.groups is None and Coordinates.of(model, rows.frame).size <= newton.MOST_COORDINATES
    method = newton if newtonian else accelerate
    states = settle(method, model, rows, states, [(num_finalists, limit)], atol, limit)
    dropped = jnp.where(states.status == Status.RUNNING, jnp.int32(Status.DROPPED), states.status)
    return _with_status(states, dropped)


def settle(
    method,
    model: Mixture,
    rows: Rows,
    states: EMState,
    rounds: Sequence[tuple[int, Int[Array, ""]]],
    atol: Float[Array, ""],
    limit: Int[Array, ""],
) -> EMState:
    """Rounds in turn, each so many of the best unfinished starts for so many E-steps.

    The last is repeated with the next best for as long as no start has ended in an interior maximum.
    """
    counts, lengths = (jnp.stack([jnp.asarray(v, jnp.int32) for v in column]) for column in zip(*rounds, strict=True))
    most = max(count for count, _ in rounds)

    def one_round(carry):
        states, number = carry
        now = jnp.minimum(number, len(rounds) - 1)
        states = advance_best(method, model, rows, states, counts[now], most, atol, lengths[now])
        return _with_status(states, _cut_short(states, limit)), number + 1

    def unsettled(carry):
        states, number = carry
        interior = jnp.isin(states.status, jnp.array([Status.CONVERGED, Status.MAX_STEPS, Status.STALLED]))
        return (number < len(rounds)) | (jnp.any(states.status == Status.RUNNING) & ~jnp.any(interior))

    return jax.lax.while_loop(unsettled, one_round, (states, jnp.int32(0)))[0]


@eqx.filter_jit
def polish(model: Mixture, rows: Rows, states: EMState, atol: Float[Array, ""], limit: Int[Array, ""]) -> EMState:
    """Run the best interior start on to convergence on rows prepared for accuracy."""
    candidates = jnp.isin(states.status, jnp.array([Status.CONVERGED, Status.STALLED]))
    best = jnp.argmax(jnp.where(candidates, states.objective, -jnp.inf))
    winner = jax.tree.map(lambda leaf: leaf[best], states)
    ended = climb(model, rows, winner.params, atol, limit - winner.num_steps)
    ended = eqx.tree_at(lambda s: s.num_steps, ended, ended.num_steps + winner.num_steps)
    use = jnp.any(candidates) & (ended.status == Status.CONVERGED)
    return jax.tree.map(lambda leaf, new: leaf.at[best].set(jnp.where(use, new, leaf[best])), states, ended)


def climb(model: Mixture, rows: Rows, params: AbstractParams, atol: Float[Array, ""], limit: Int[Array, ""]) -> EMState:
    """Accelerated EM from one start."""
    start = jax.tree.map(lambda leaf: leaf[None], em_step.init(model, rows, params))
    ended = jax.tree.map(lambda leaf: leaf[0], advance_all(accelerate, model, rows, start, atol, limit))
    return _with_status(ended, _cut_short(ended, limit))


def climb_each(
    model: Mixture,
    rows_of: Callable[[Int[Array, ""]], Rows],
    params: AbstractParams,
    count: int,
    most: int,
    atol: Float[Array, ""],
    limit: Int[Array, ""],
) -> EMState:
    """Accelerated EM from the same start on each of `count` sets of rows, at most so many at once."""
    states = map_in_blocks(lambda number: em_step.init(model, rows_of(number), params), jnp.arange(count), most)
    ended = relay(accelerate, model, rows_of, states, jnp.ones(count, bool), atol, limit, most)
    return _with_status(ended, _cut_short(ended, limit))


def advance_best(method, model, rows, states: EMState, count: Int[Array, ""], most: int, atol, limit) -> EMState:
    """Advance the `count` highest of the starts that have not ended; they are never more than `most`."""
    running = states.status == Status.RUNNING
    rank = jnp.argsort(jnp.argsort(jnp.where(running, -states.objective, jnp.inf)))
    together = lanes(rows.num_rows, model, most)
    return relay(method, model, lambda _: rows, states, running & (rank < count), atol, limit, together)


def _cut_short(states: EMState, limit) -> Int[Array, "*R"]:
    """The status of each start, MAX_STEPS where it is unfinished and may take no more steps."""
    spent = (states.status == Status.RUNNING) & (states.num_steps >= limit)
    return jnp.where(spent, jnp.int32(Status.MAX_STEPS), states.status)


def _with_status(states: EMState, status: Int[Array, " R"]) -> EMState:
    return eqx.tree_at(lambda s: s.status, states, status)


def advance_all(method, model, rows, states, atol, limit) -> EMState:
    """Advance every start until it has ended or taken `limit` E-steps."""

    def one(state):
        ended = jax.lax.while_loop(
            lambda run: (run.state.status == Status.RUNNING) & (run.state.num_steps < limit),
            lambda run: method.advance(model, rows, run, atol),
            method.begin(state),
        )
        return ended.state

    return map_in_blocks(one, states, lanes(rows.num_rows, model, states.status.shape[0]))
