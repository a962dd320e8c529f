"""One guide, optimised from one start by NumPyro's SVI, on all rows or on batches of them."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import optax_to_numpyro

from mixtures._kernel import Rows
from mixtures._trees import map_in_blocks
from mixtures.bayes.numpyro_model import flat_guide, flat_model, flow, full_rank, mean_field, point
from mixtures.coordinates import Coordinates, hessian
from mixtures.model import Mixture

NUM_PARTICLES = 8
NUM_WEIGHED = 256  # draws that an ELBO is estimated from, to choose among starts

type Energy = Callable[[Float[Array, " d"]], Float[Array, ""]]  # minus the log posterior density


class Approximation(NamedTuple):
    """A family of approximations, from a start to a distribution, and how fast it is optimised."""

    distribution: Callable[[Float[Array, " d"]], dist.Distribution]
    learning_rate: float


OPTIMISED = {
    "full_rank": Approximation(full_rank, 0.05),
    "mean_field": Approximation(mean_field, 0.05),
    "laplace": Approximation(point, 0.05),
    "flow": Approximation(flow, 0.005),
}


class Steps(NamedTuple):
    """The rows that each step of an optimisation sees: a function of what is scanned over."""

    rows: Callable[[Key[Array, ""]], Rows]
    keys: Key[Array, " T"]


def everything(rows: Rows, num_steps: int) -> Steps:
    """All rows at each step."""
    return Steps(lambda _: rows, jax.random.split(jax.random.key(0), num_steps))


def batches(
    model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_steps: int, batch_size: int, num_lanes: int
) -> Steps:
    """Rows drawn with replacement, each as heavy as N / batch_size, so that their log-likelihood is unbiased.

    (Hoffman, Blei, Wang and Paisley 2013, section 2.3.)
    """
    num_rows = len(x)
    weights = jnp.full(batch_size, num_rows / batch_size, x.dtype)

    def drawn(key):
        return model.prepare(x[jax.random.randint(key, (batch_size,), 0, num_rows)], num_lanes, weights)

    return Steps(drawn, jax.random.split(key, num_steps))


class Optimised(NamedTuple):
    """A guide's parameters after optimisation, its ELBO in nats, and what this gained at last with its own error."""

    params: dict[str, Any]
    elbo: Float[Array, ""]
    drift: Float[Array, ""]
    drift_mcse: Float[Array, ""]


def optimise(
    energy: Energy,
    coordinates: Coordinates,
    guide: Approximation,
    model: Mixture,
    key: Key[Array, ""],
    u: Float[Array, " d"],
    steps: Steps,
) -> Optimised:
    """Optimise one guide from the start `u`.

    Its parameters are averaged over the last fifth of the steps, where the learning rate no longer changes; this takes
    out the noise of single steps (Dhaka et al. 2020, section 3). Whether it still moves is seen from the averages over
    the two halves of that fifth, on all rows and with the same random numbers.
    """
    import optax

    num_steps = len(steps.keys)
    schedule = optax.cosine_decay_schedule(guide.learning_rate, int(0.7 * num_steps), alpha=0.01)
    svi = SVI(
        lambda rows: flat_model(model, rows, coordinates),
        lambda _: flat_guide(guide.distribution, u),
        optax_to_numpyro(optax.adam(schedule, b2=0.99)),
        Trace_ELBO(num_particles=1 if guide.distribution is point else NUM_PARTICLES),
    )
    key_init, key_weigh = jax.random.split(key)
    tenth = num_steps // 10
    ends = jnp.array([num_steps - 2 * tenth, num_steps - tenth, num_steps])

    def step(carry, case):
        (state, halves), (i, own) = carry, case
        state, _ = svi.update(state, steps.rows(own))
        shares = jnp.where(i < ends[:-1], 1.0, jnp.where(i < ends[1:], 1.0 / (i - ends[:-1] + 1), 0.0))

        def average(mean, new):
            return mean + shares.reshape(2, *[1] * new.ndim).astype(new.dtype) * (new - mean)

        return (state, jax.tree.map(average, halves, svi.get_params(state))), None

    first = svi.init(key_init, steps.rows(steps.keys[0]))
    begun = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (2, *leaf.shape)), svi.get_params(first))
    (_, halves), _ = jax.lax.scan(step, (first, begun), (jnp.arange(num_steps), steps.keys))
    mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), halves)
    three = [*(jax.tree.map(lambda leaf, i=i: leaf[i], halves) for i in range(2)), mean]
    before, after, log_weights = (
        weigh(energy, guide, params, key_weigh, u, NUM_WEIGHED, NUM_PARTICLES)[1] for params in three
    )
    gain = after - before
    return Optimised(mean, jnp.mean(log_weights), jnp.mean(gain), jnp.std(gain) / jnp.sqrt(NUM_WEIGHED))


def weigh(
    energy: Energy,
    guide: Approximation,
    params: dict[str, Any],
    key: Key[Array, ""],
    u: Float[Array, " d"],
    count: int,
    together: int,
) -> tuple[Float[Array, "S d"], Float[Array, " S"]]:
    """Draws from a guide with these parameters, and their log importance weights, so many at once."""
    found = cast(dist.Distribution, numpyro.handlers.substitute(guide.distribution, data=params)(u))
    if isinstance(found, dist.Delta):
        # Laplace: the normal with the curvature of the density at its mode; NaN where that is not definite.
        mode = jnp.asarray(found.v)
        found = dist.MultivariateNormal(mode, precision_matrix=hessian(energy, mode))
    draws = jnp.asarray(found.sample(key, (count,)))
    return draws, -map_in_blocks(energy, draws, together) - found.log_prob(draws)
