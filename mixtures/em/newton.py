"""Newton's method for the end of EM: where EM creeps, a few of these steps reach the maximum and prove it is one."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures._kernel import Rows, natural_curvature
from mixtures._status import Status
from mixtures.coordinates import Coordinates
from mixtures.em import step as em_step
from mixtures.em.ascent import along, newton_direction
from mixtures.em.step import EMState
from mixtures.families import Moments
from mixtures.model import Mixture

MOST_COORDINATES = 200  # above which a Hessian costs more than the EM steps it saves
_NUM_LENGTHS = 4  # of a Newton step, tried by each leap


class Run(eqx.Module):
    """Where EM stands."""

    state: EMState


def begin(state: EMState) -> Run:
    """A run from here."""
    return Run(state)


def advance(model: Mixture, rows: Rows, run: Run, atol: Float[Array, ""]) -> Run:
    """One EM step, then a Newton step on the objective itself, taken only if it climbs higher.

    Converged when the Hessian is negative definite and a full Newton step promises less than `atol` nats.
    """
    plain = em_step.step(model, rows, run.state, atol)
    coordinates = Coordinates.of(model, rows.frame)
    u = coordinates.vector(plain.params)
    direction = newton_direction(*derivatives(model, rows, coordinates, u, plain.moments))
    step = jnp.where(jnp.isfinite(direction.step), direction.step, 0.0)
    leaps = jax.vmap(lambda u: em_step.init(model, rows, coordinates.params(u)))(along(u, step, _NUM_LENGTHS))
    best = jnp.argmax(jnp.where(jnp.isfinite(leaps.objective), leaps.objective, -jnp.inf))
    leap = jax.tree.map(lambda leaf: leaf[best], leaps)
    leap = eqx.tree_at(lambda s: s.num_steps, leap, plain.num_steps + 1)
    higher = (leap.objective > plain.objective) & em_step.is_wide(model, rows, leap.params)
    chosen = jax.tree.map(lambda a, b: jnp.where(higher, a, b), leap, plain)
    status = jnp.where(
        direction.definite & (direction.promised < atol), jnp.int32(Status.CONVERGED), jnp.int32(Status.RUNNING)
    )
    chosen = eqx.tree_at(lambda s: s.status, chosen, status)
    running = plain.status == Status.RUNNING
    return Run(jax.tree.map(lambda a, b: jnp.where(running, b, a), plain, chosen))


def derivatives(model: Mixture, rows: Rows, coordinates: Coordinates, u: Float[Array, " d"], moments: Moments):
    """Gradient and Hessian of the objective in unconstrained coordinates, given the expected statistics there.

    The log-likelihood depends on u through η(u) alone, so its Hessian is Jᵀ H_η J plus that of the expected
    log-density at fixed responsibilities, and the rows are visited once.
    """
    family, independent = model.family, model.family.independent

    def natural(u):
        return family.natural_params(coordinates.params(u), rows.frame)

    eta = natural(u)
    curvature = natural_curvature(eta, rows, independent)
    jacobian = jax.jacfwd(natural)(u)

    def rest(u):
        params = coordinates.params(u)
        return family.expected_log_density(params, moments) + model.log_prior(params)

    hessian = jnp.einsum("kpi,kplq,lqj->ij", jacobian, curvature, jacobian) + jax.hessian(rest)(u)
    return jax.grad(rest)(u), (hessian + hessian.T) / 2
