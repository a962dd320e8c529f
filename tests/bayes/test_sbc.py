"""Simulation-based calibration: NUTS, SMC and Gibbs pass, and what samples something else does not.

Each engine is tested at 0.001, corrected for the number of quantities: a right one fails once in a thousand keys.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import mixtures as mx
from mixtures.bayes.sbc import _rank

KEY = jax.random.key(2)
LEVEL = 0.001
ENGINES = {
    "nuts": partial(mx.fit_nuts, num_warmup=200, num_samples=400, num_chains=1),
    "gibbs": partial(mx.fit_gibbs, num_warmup=200, num_samples=1000, num_chains=1),
    "smc": partial(mx.fit_smc, num_particles=100, num_runs=1, num_moves=3),
}


@pytest.fixture(scope="module")
def explicit():
    prior = mx.priors.Conjugate([0.0], [[2.0]], dof=5.0, shrinkage=0.5)
    return mx.Mixture(mx.Gaussian(), 2, prior)


def study(model, fit, count=150, **settings):
    return mx.simulation_based_calibration(
        model, fit, key=KEY, num_rows=20, num_simulations=count, num_draws=49, **settings
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_are_calibrated(explicit, engine):
    seen = []
    found = study(explicit, ENGINES[engine], on_progress=lambda *done: seen.append(done))
    assert set(found.ranks) == {
        *("weight_min", "weight_squares", "centre_1", "between_1", "narrowest", "widest"),
        *("log_likelihood", "log_joint"),
    }
    assert found.p_value > LEVEL, found.reason
    assert seen[-1] == (150, 150)
    assert found.reason.startswith("Ranks are uniform in 150 simulations")


@pytest.mark.slow
def test_a_posterior_of_another_model_is_not(explicit):
    other = eqx.tree_at(lambda m: m.prior.scale, explicit, explicit.prior.scale * 3)
    found = study(explicit, lambda model, x, *, key: ENGINES["gibbs"](other, x, key=key))
    assert found.p_value < LEVEL
    assert "this engine's draws are not from the posterior" in found.reason


@pytest.mark.slow
def test_mean_field_is_not(explicit):
    fit = partial(mx.fit_vi, guide="mean_field", num_starts=1, num_steps=300, num_samples=100)
    assert study(explicit, fit).p_value < LEVEL


def test_p_values_are_uniform_for_uniform_ranks():
    rng = np.random.default_rng(0)
    found = [mx.SBCRanks({"a": rng.integers(0, 50, 400)}, 49).p_value for _ in range(500)]
    # At n = 500 the Kolmogorov distance passes 0.087 with probability 0.001; Pearson's statistic is discrete besides.
    assert stats.kstest(found, "uniform").statistic < 0.1


def test_what_is_no_engine_is_refused(explicit):
    with pytest.raises(ValueError, match="fit must be an engine such as"):
        study(explicit, "nuts")
    with pytest.raises(ValueError, match="num_draws must be at most the draws of fit, 40; got 49"):
        study(explicit, partial(mx.fit_nuts, num_warmup=10, num_samples=10))
    with pytest.raises(ValueError, match="has fixed parameters"):
        study(explicit.with_fixed(weights=[0.5, 0.5]), mx.fit_nuts)
    with pytest.raises(ValueError, match="proper prior"):
        study(mx.Mixture(mx.Gaussian(), 2), mx.fit_nuts)


def test_constants_have_uniform_ranks():
    """Among equal values any place is as likely: those of one component's weights condemn no engine."""
    keys = jax.random.split(KEY, 4000)
    ranks = jax.vmap(lambda key: _rank(key, jnp.float64(1.0), jnp.ones(99)))(keys)
    assert mx.SBCRanks({"weight_min": np.asarray(ranks)}, 99).p_value > LEVEL
