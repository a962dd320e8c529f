"""Many starts of which a few are under way at once: where one ends the next takes its place, and none waits."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures._trees import choose
from mixtures.em.step import EMState
from mixtures.model import Mixture

_ON_A_CPU = 8  # starts under way: side by side they take as long as in turn, however small they are
_TURN = 10  # E-steps between looking who has ended


def relay(
    method,
    model: Mixture,
    rows_of: Callable[[Int[Array, ""]], Rows],
    states: EMState,
    chosen: Bool[Array, " R"],
    atol: Float[Array, ""],
    limit: Int[Array, ""],
    most: int,
) -> EMState:
    """Advance the chosen starts until each has ended or taken `limit` E-steps, on the rows that belong to its number.

    At most `most` are under way at once, and on a CPU only a few.
    """
    num_starts = states.status.shape[0]
    width = min(most, num_starts, _ON_A_CPU if jax.default_backend() == "cpu" else num_starts)

    def is_running(state):
        return (state.status == Status.RUNNING) & (state.num_steps < limit)

    def advance(number, idle, run):
        rows = rows_of(number)
        return jax.lax.while_loop(
            lambda carry: ~idle & is_running(carry[0].state) & (carry[1] < _TURN),
            lambda carry: (method.advance(model, rows, carry[0], atol), carry[1] + 1),
            (run, jnp.int32(0)),
        )[0]

    waiting = chosen & is_running(states)
    queue, length = jnp.argsort(~waiting, stable=True), jnp.sum(waiting)

    def numbers(places):
        return queue[jnp.minimum(places, num_starts - 1)]

    def begin(states, places):
        return jax.vmap(method.begin)(jax.tree.map(lambda leaf: leaf[numbers(places)], states))

    def turn(carry):
        """`places` are those of the starts under way in the queue, at its end or beyond where a lane is idle."""
        runs, places, following, states = carry
        idle = places >= length
        runs = jax.vmap(advance)(numbers(places), idle, runs)
        starts = jnp.where(idle, num_starts, numbers(places))
        states = jax.tree.map(lambda leaf, new: leaf.at[starts].set(new, mode="drop"), states, runs.state)
        ended = ~is_running(runs.state) & ~idle
        places = jnp.where(ended, following + jnp.cumsum(ended) - 1, places)
        runs = choose(ended, begin(states, places), runs)
        return runs, places, following + jnp.sum(ended), states

    places = jnp.arange(width)
    first = begin(states, places), places, jnp.asarray(width), states
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1] < length), turn, first)[-1]
