"""One fit from given starts, small enough to be repeated: what cross-validation and the bootstrapped test map over."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mixtures._kernel import Rows
from mixtures.coordinates import Coordinates
from mixtures.em import accelerate, race
from mixtures.em import step as em_step
from mixtures.em.account import choose
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_SHORT_RUN = 40  # E-steps of every start before the best go on
_FINALISTS = 2
_TOGETHER = 2**17  # rows × components × starts advanced at once: the slowest of them decides how long all take


class Refit(eqx.Module):
    """The largest interior maximum from some starts; NaN where there is none."""

    params: AbstractParams
    log_likelihood: Float[Array, ""]
    status: Int[Array, ""]  # INTERIOR where a start collapsed beside the one that is returned


def refit(model: Mixture, rows: Rows, starts: AbstractParams, atol: Float[Array, ""], limit: Int[Array, ""]) -> Refit:
    """Run all starts a little and the best two to convergence; should these collapse, the next best, and so on."""
    coordinates = Coordinates.of(model, rows.frame)
    states = jax.vmap(lambda params: em_step.init(model, rows, model.keep_fixed(coordinates.into_support(params))))(
        starts
    )
    num_starts = starts.weights.shape[0]
    rounds = [(num_starts, jnp.minimum(limit, _SHORT_RUN)), (min(_FINALISTS, num_starts), limit)]
    states = race.settle(accelerate, model, rows, states, rounds, atol, limit)
    best, ended, found = choose(states.objective, states.status)
    params, log_likelihood = jax.tree.map(
        lambda leaf: jnp.where(found, leaf[best], jnp.nan), (states.params, states.log_likelihood)
    )
    return Refit(params, log_likelihood, ended)


def refits_at_once(num_rows: int, num_components: int, num_starts: int) -> int:
    """How many fits to run side by side."""
    return max(1, _TOGETHER // (num_rows * num_components * num_starts))
