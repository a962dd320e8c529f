"""One EM iteration on a small state: what every driver of EM repeats."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mixtures._kernel import Frame, Rows
from mixtures._status import Status
from mixtures.coordinates import Coordinates
from mixtures.em.ascent import highest, newton_direction
from mixtures.families import AbstractParams, Moments
from mixtures.model import Mixture

_NARROWEST = 1e-10  # a variance, as a fraction of the data's: five orders of magnitude in width
_NUM_LENGTHS = 8  # of a Newton step, tried by a numerical M-step


class EMState(eqx.Module):
    """Parameters with the objective and expected statistics *at those parameters*."""

    params: AbstractParams
    moments: Moments
    log_likelihood: Float[Array, ""]
    objective: Float[Array, ""]
    gain: Float[Array, ""]
    num_steps: Int[Array, ""]
    status: Int[Array, ""]


def init(model: Mixture, rows: Rows, params: AbstractParams) -> EMState:
    """State at starting parameters, after their E-step."""
    log_likelihood, moments = model.family.e_step(params, rows)
    objective = log_likelihood + model.log_prior(params)
    gain = jnp.full_like(objective, jnp.nan)
    return EMState(params, moments, log_likelihood, objective, gain, jnp.int32(0), jnp.int32(Status.RUNNING))


def step(model: Mixture, rows: Rows, state: EMState, atol: Float[Array, ""]) -> EMState:
    """One M-step and the E-step that evaluates it."""
    new = init(model, rows, m_step(model, rows.frame, state.moments, state.params))
    return follow(model, rows, state, new, atol)


def follow(model: Mixture, rows: Rows, state: EMState, new: EMState, atol: Float[Array, ""]) -> EMState:
    """The state after a step from `state` to `new`, with its gain and status.

    A step that lowers the objective (rounding, at the limit of precision) is not taken.
    """
    gain = new.objective - state.objective
    status = _judge(model, rows, new.params, new.objective, gain, state.gain, atol)
    new = eqx.tree_at(lambda s: (s.gain, s.num_steps, s.status), new, (gain, state.num_steps + 1, status))
    fell = (gain < 0) & ((status == Status.CONVERGED) | (status == Status.STALLED))
    kept = eqx.tree_at(lambda s: (s.num_steps, s.status), state, (new.num_steps, status))
    return jax.tree.map(lambda old, updated: jnp.where(fell, old, updated), kept, new)


def _judge(model, rows, params, objective, gain, last_gain, atol) -> Int[Array, ""]:
    """Status after a step.

    Converged means that the *predicted remaining* gain is below `atol` nats, extrapolating the geometric decrease of
    gains (Aitken; Böhning et al. 1994, eq. 4), not that one gain is small: slow EM takes many small steps far from
    the end.
    Collapsed means a variance below 1e-10 of the data's.
    """
    eps = jnp.finfo(objective.dtype).eps
    noise = 8 * eps * (jnp.abs(objective) + rows.num_rows)
    rate = gain / last_gain
    remaining = gain * rate / (1.0 - rate)
    settled = (gain < atol) & (rate < 1.0) & (remaining < atol)
    widths = model.family.narrowest(params, rows.frame)
    narrow, weight = ~(jnp.min(widths) > _NARROWEST), params.weights[jnp.argmin(widths)]
    lost = jnp.maximum(atol, eps ** (2 / 3) * (jnp.abs(objective) + rows.num_rows))
    verdicts = [
        (~jnp.all(jnp.isfinite(model.family.locations(params))), Status.NON_FINITE),
        (narrow & (weight <= eps), Status.EMPTY),
        (narrow, Status.COLLAPSED),
        (~jnp.isfinite(objective), Status.NON_FINITE),
        (gain < -lost, Status.STALLED),
        ((gain <= noise) | settled, Status.CONVERGED),
    ]
    return jnp.select([v for v, _ in verdicts], [jnp.int32(s) for _, s in verdicts], jnp.int32(Status.RUNNING))


def is_wide(model: Mixture, rows: Rows, params: AbstractParams) -> Bool[Array, ""]:
    """Whether no component has collapsed."""
    return jnp.min(model.family.narrowest(params, rows.frame)) > _NARROWEST


def m_step(model: Mixture, frame: Frame, moments: Moments, params: AbstractParams) -> AbstractParams:
    """Parameters that maximise (or, without a closed form, raise) the expected log joint given statistics."""
    updated = model.family.closed_form_m_step(model.prior, model.fixed, moments, params)
    return updated if updated is not None else _climb(model, frame, moments, params)


def _climb(model: Mixture, frame: Frame, moments: Moments, params: AbstractParams) -> AbstractParams:
    """Raise the expected log joint by one safeguarded Newton step from `params`.

    One step per iteration keeps EM monotone and its rate of convergence (the EM gradient algorithm: Lange 1995,
    section 2). Negative curvature is turned round, and of a few step lengths the best is taken.
    """
    coordinates = Coordinates.of(model, frame)

    def expected_log_joint(u):
        candidate = coordinates.params(u)
        return model.family.expected_log_density(candidate, moments) + model.log_prior(candidate)

    start = coordinates.vector(params)
    gradient, hessian = jax.grad(expected_log_joint), jax.jacfwd(jax.grad(expected_log_joint))
    step = newton_direction(gradient(start), hessian(start)).step
    reached, height = highest(expected_log_joint, start, step, _NUM_LENGTHS)
    higher = height > expected_log_joint(start)
    moved = jax.tree.map(lambda new, old: jnp.where(higher, new, old), coordinates.params(reached), params)
    # Without a direction there was no search, and standing still would look like convergence.
    return jax.tree.map(lambda leaf: jnp.where(jnp.all(jnp.isfinite(step)), leaf, jnp.nan), moved)
