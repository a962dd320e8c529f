"""One guide, optimised from one start by NumPyro's SVI, on all rows or on batches of them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
import optax
from jaxtyping import Array, Float, Key
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import optax_to_numpyro

from mixtures._kernel import Rows
from mixtures.bayes.numpyro_model import flat_guide, flat_model, flow, full_rank, mean_field, point, potential
from mixtures.coordinates import Coordinates, hessian
from mixtures.model import Mixture

NUM_PARTICLES = 8


class Guide(NamedTuple):
    """A family of approximations, from a start to a distribution, and how fast it is optimised."""

    distribution: Callable[[Float[Array, " d"]], dist.Distribution]
    learning_rate: float


OPTIMISED = {
    "full_rank": Guide(full_rank, 0.05),
    "mean_field": Guide(mean_field, 0.05),
    "laplace": Guide(point, 0.05),
    "flow": Guide(flow, 0.005),
}


class Steps(NamedTuple):
    """The rows that each step of an optimisation sees: a function of what is scanned over."""

    rows: Callable[[Key[Array, ""]], Rows]
    keys: Key[Array, " T"]


def everything(rows: Rows, num_steps: int) -> Steps:
    """All rows at each step."""
    return Steps(lambda _: rows, jax.random.split(jax.random.key(0), num_steps))


def batches(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_steps: int, batch_size: int) -> Steps:
    """Rows drawn with replacement, each as heavy as N / batch_size, so that their log-likelihood is unbiased.

    (Hoffman, Blei, Wang and Paisley 2013, section 2.3.)
    """
    num_rows = len(x)
    weights = jnp.full(batch_size, num_rows / batch_size, x.dtype)

    def drawn(key):
        return model.prepare(x[jax.random.randint(key, (batch_size,), 0, num_rows)], NUM_PARTICLES, weights)

    return Steps(drawn, jax.random.split(key, num_steps))


class Approximation(eqx.Module):
    """Where it ended: draws with their log importance weights, and the ELBO with how it moved at last."""

    draws: Float[Array, "S d"]
    log_weights: Float[Array, " S"]
    elbo: Float[Array, ""]
    drift: Float[Array, ""]
    drift_mcse: Float[Array, ""]


def optimise(
    model: Mixture,
    rows: Rows,
    coordinates: Coordinates,
    guide: Guide,
    key: Key[Array, ""],
    u: Float[Array, " d"],
    steps: Steps,
    num_samples: int,
) -> Approximation:
    """Optimise one guide from the start `u`, then draw from it and weigh the draws.

    The guide's parameters are averaged over the last fifth of the steps, which takes out the noise of single steps
    (Dhaka et al. 2020, section 3).
    """
    energy = partial(potential, model, rows, coordinates)

    num_steps = len(steps.keys)
    schedule = optax.cosine_decay_schedule(guide.learning_rate, int(0.7 * num_steps), alpha=0.01)
    svi = SVI(
        lambda rows: flat_model(model, rows, coordinates),
        lambda _: flat_guide(guide.distribution, u),
        optax_to_numpyro(optax.adam(schedule, b2=0.99)),
        Trace_ELBO(num_particles=1 if guide.distribution is point else NUM_PARTICLES),
    )
    key_init, key_draw = jax.random.split(key)
    last = num_steps - num_steps // 10 * 2  # the learning rate no longer changes from here on

    def step(carry, case):
        (state, average), (i, own) = carry, case
        state, loss = svi.update(state, steps.rows(own))
        share = jnp.where(i < last, 1.0, 1.0 / (i - last + 1))
        average = jax.tree.map(lambda mean, new: mean + share * (new - mean), average, svi.get_params(state))
        return (state, average), loss

    first = svi.init(key_init, steps.rows(steps.keys[0]))
    cases = jnp.arange(num_steps), steps.keys
    (_, average), losses = jax.lax.scan(step, (first, svi.get_params(first)), cases)
    approximation = cast(dist.Distribution, numpyro.handlers.substitute(guide.distribution, data=average)(u))
    if isinstance(approximation, dist.Delta):
        approximation = _curvature_at(jnp.asarray(approximation.v), energy)

    draws = jnp.asarray(approximation.sample(key_draw, (num_samples,)))
    energies = jax.lax.map(energy, draws, batch_size=NUM_PARTICLES * 16)
    log_weights = -energies - approximation.log_prob(draws)
    halves = losses[last:].reshape(2, -1)  # which differ only if the ELBO still rises
    drift = jnp.mean(halves[0]) - jnp.mean(halves[1])
    noise = jnp.sqrt(jnp.sum(jnp.var(halves, axis=1)) / halves.shape[1])
    return Approximation(draws, log_weights, jnp.mean(log_weights), drift, noise)


def _curvature_at(
    mode: Float[Array, " d"], energy: Callable[[Float[Array, " d"]], Float[Array, ""]]
) -> dist.Distribution:
    """The normal with the curvature of the density at its mode (Laplace); NaN where that is not definite."""
    return dist.MultivariateNormal(mode, precision_matrix=hessian(energy, mode))
