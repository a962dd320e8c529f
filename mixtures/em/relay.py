"""Many starts of which a few are under way at once: where one ends the next takes its place, and none waits."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures._trees import choose
from mixtures.em.step import EMState
from mixtures.model import Mixture

_UNDER_WAY = 8  # starts; side by side they take no less time than in turn on two cores, however small they are
_TURN = 10  # E-steps between looking who has ended


def relay(
    method, model: Mixture, rows: Rows, states: EMState, atol: Float[Array, ""], limit: Int[Array, ""]
) -> EMState:
    """Advance every start until it has ended or taken `limit` E-steps."""
    num_starts = states.status.shape[0]
    width = min(_UNDER_WAY, num_starts)

    def is_running(state):
        return (state.status == Status.RUNNING) & (state.num_steps < limit)

    def advance(run):
        return jax.lax.while_loop(
            lambda carry: is_running(carry[0].state) & (carry[1] < _TURN),
            lambda carry: (method.advance(model, rows, carry[0], atol), carry[1] + 1),
            (run, jnp.int32(0)),
        )[0]

    queue, length = jnp.argsort(~is_running(states), stable=True), jnp.sum(is_running(states))

    def begin(states, places):
        starts = queue[jnp.minimum(places, num_starts - 1)]
        return jax.vmap(method.begin)(jax.tree.map(lambda leaf: leaf[starts], states))

    def turn(carry):
        """`places` are those of the starts under way in the queue, at its end or beyond where a lane is idle."""
        runs, places, following, states = carry
        runs = jax.vmap(advance)(runs)
        starts = jnp.where(places < length, queue[jnp.minimum(places, num_starts - 1)], num_starts)
        states = jax.tree.map(lambda leaf, new: leaf.at[starts].set(new, mode="drop"), states, runs.state)
        ended = ~is_running(runs.state)
        places = jnp.where(ended, following + jnp.cumsum(ended) - 1, places)
        runs = choose(ended, begin(states, places), runs)
        return runs, places, following + jnp.sum(ended), states

    places = jnp.arange(width)
    first = begin(states, places), places, jnp.asarray(width), states
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1] < length), turn, first)[-1]
