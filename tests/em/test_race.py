"""Leaps, Newton's method and the race between starts: none changes what EM converges to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures.coordinates import Coordinates
from mixtures.em import accelerate, newton, race
from mixtures.em import step as em_step
from mixtures.em.account import Starts, explain_ends, modes
from mixtures.starts import random_starts

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def overlapping():
    """Four groups so close together that EM creeps."""
    rng = np.random.default_rng(0)
    centres = 2.0 * rng.normal(size=(4, 2))
    return jnp.asarray(centres[rng.integers(0, 4, 500)] + rng.normal(size=(500, 2)))


def begun(x, covariance="full", objective="ml"):
    model = mx.Mixture.for_data(x, 4, mx.Gaussian(covariance))
    model = model if objective == "map" else model.without_prior()
    rows = model.prepare(x)
    start = jax.tree.map(lambda leaf: leaf[0], random_starts(model, x, KEY, 1))
    return model, rows, em_step.init(model, rows, start)


@eqx.filter_jit
def path(model, rows, state, method, num_steps: int):
    """Objectives along a run."""

    def one(run, _):
        run = method.advance(model, rows, run, jnp.zeros(()))
        return run, run.state.objective

    return jax.lax.scan(one, method.begin(state), None, length=num_steps)[1]


@pytest.mark.slow_but("full-leaps")
@pytest.mark.parametrize("method", [accelerate, newton], ids=["leaps", "newton"])
@pytest.mark.parametrize("covariance", ["full", "equal_orientation"])
def test_objective_never_falls(method, covariance, overlapping):
    heights = np.asarray(path(*begun(overlapping, covariance), method, 40))
    assert np.diff(heights).min() >= 0


@pytest.mark.slow
def test_leaps_and_newton_reach_what_em_creeps_towards(overlapping):
    model, rows, state = begun(overlapping)

    @eqx.filter_jit
    def creep(state):
        return jax.lax.fori_loop(0, 20_000, lambda _, s: em_step.step(model, rows, s, jnp.zeros(())), state)

    slow = creep(state)
    quick = race.climb(model, rows, state.params, jnp.asarray(1e-10), jnp.int32(5000))
    assert quick.status == Status.CONVERGED
    assert float(quick.objective) == pytest.approx(float(slow.objective), abs=1e-6)
    assert int(quick.num_steps) < 2000
    last = np.asarray(path(model, rows, state, newton, 60))[-1]
    assert last >= float(slow.objective) - 1e-6


@pytest.mark.slow_but("diagonal-ml")
@pytest.mark.parametrize(("covariance", "objective"), [("full", "map"), ("diagonal", "ml"), ("equal_shape", "ml")])
def test_exact_derivatives(covariance, objective, overlapping):
    """From two matrix products, against automatic differentiation of the log joint."""
    model, rows, state = begun(overlapping, covariance, objective)
    coordinates = Coordinates.of(model, rows.frame)
    u = coordinates.vector(state.params) + 0.1

    def log_joint(u):
        return model.log_joint(coordinates.params(u), rows)

    moments = model.family.e_step(coordinates.params(u), rows)[1]
    gradient, hessian = eqx.filter_jit(newton.derivatives)(model, rows, coordinates, u, moments)
    np.testing.assert_allclose(gradient, jax.jit(jax.grad(log_joint))(u), rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(hessian, jax.jit(jax.hessian(log_joint))(u), rtol=1e-7, atol=1e-6)


@pytest.mark.slow
def test_a_race_drops_starts_and_keeps_the_best(overlapping):
    model = mx.Mixture(mx.Gaussian("full"), 4)
    few = mx.fit_em(model, overlapping, key=KEY, objective="ml", num_starts=32, num_finalists=8)
    status = np.asarray(few.starts.status)
    assert (status == Status.DROPPED).any()
    height = np.asarray(few.starts.objective)
    assert (
        float(few.log_likelihood)
        == np.max(height[status == Status.CONVERGED])
        >= np.max(height[status == Status.DROPPED])
    )
    assert few.status.is_estimate
    assert f"{(status == Status.DROPPED).sum()} more were left behind by better ones" in few.summary
    assert sum(mode.hits for mode in few.modes) == (status == Status.CONVERGED).sum()
    assert few.modes[0].objective == float(few.log_likelihood)


def test_modes_are_distinct_maxima_of_converged_starts():
    ends = [
        (-5.0, Status.CONVERGED),
        (-5.0004, Status.CONVERGED),
        (-4.0, Status.MAX_STEPS),
        (-5.1, Status.CONVERGED),
        (9.0, Status.COLLAPSED),
        (-4.5, Status.DROPPED),
        (-4.5, Status.STALLED),
    ]
    objective, status = (np.array(part) for part in zip(*ends, strict=True))
    nothing = jnp.zeros(len(ends), int)
    ends, rest = (jnp.asarray(objective), jnp.asarray(status)), (nothing, nothing, nothing, nothing[:, None], nothing)
    starts = Starts({"mean": jnp.arange(7)}, *ends, *rest)
    assert modes(starts) == ((-5.0, 2, {"mean": 0}), (-5.1, 1, {"mean": 3}))
    assert explain_ends(starts) == (
        "Of 7 starts 3 converged, to 2 distinct maxima; 1 collapsed; 1 stopped at the step limit; "
        "1 stalled in rounding error; 1 left behind by better ones, and never converged."
    )
