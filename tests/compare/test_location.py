"""Mahalanobis distances, EM's intervals by kind, and prediction of rows left out."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures.compare import intervals
from mixtures.compare.agreement import plug_in_interval
from mixtures.compare.intervals import em_intervals
from mixtures.compare.location import location
from mixtures.compare.prediction import predict_fairly
from mixtures.coordinates import Coordinates

KEY = jax.random.key(12)


@pytest.fixture(scope="module")
def single():
    x = np.random.default_rng(2).normal(1.0, 2.0, 60)
    model = mx.Mixture.for_data(x, 1)
    return model, x, mx.fit_em(model, x, key=KEY, num_starts=2)


def test_distance_is_in_posterior_sds(single):
    """Draws with mean m and covariance S: a point m + L z lies at the length of z, corrected for 400 draws."""
    model, x, fit = single
    coordinates = Coordinates.of(model, model.prepare(x).frame)
    centre = coordinates.vector(fit.params)
    rng = np.random.default_rng(0)
    factor = np.array([[0.3, 0.0], [0.1, 0.05]])
    z = rng.normal(size=(400, 2))
    z = ((z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T).reshape(4, 100, 2)
    there = jax.vmap(jax.vmap(coordinates.params))
    draws, shifted = there(centre + z @ factor.T), there(centre + z @ factor.T + factor @ np.array([3.0, 4.0]))
    found = location(model, model.prepare(x), fit.params, shifted, draws)
    assert found.map == pytest.approx(0.0, abs=1e-6)
    assert found.vi == pytest.approx(5.0 * np.sqrt((400 - 4) / 399), rel=0.004)  # to ± 40 % of 400 effective draws
    assert found.dimension == 2
    far = eqx.tree_at(lambda p: p.means, fit.params, fit.params.means + 1.0)
    assert location(model, model.prepare(x), far, shifted, draws).beyond < 1.0
    few = jax.tree.map(lambda leaf: leaf[:1, :9], draws)
    assert np.isnan(location(model, model.prepare(x), fit.params, few, few).map)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_few_draws_in_many_dimensions_do_not_make_distances_longer(correlation):
    """A point five sds away in 20 dimensions, by 4 × 100 draws: uncorrected, its square is 5 % to 20 % too large."""
    x = np.random.default_rng(1).normal(size=(100, 5))
    model = mx.Mixture.for_data(x, 1)
    rows, fit = model.prepare(x), mx.fit_em(model, x, key=KEY, num_starts=1)
    coordinates = Coordinates.of(model, rows.frame)
    centre = coordinates.vector(fit.params)
    assert len(centre) == 20
    there = jax.jit(jax.vmap(jax.vmap(coordinates.params)))
    point = jax.tree.map(lambda leaf: leaf[0, 0], there((centre + 0.05 * 5 / np.sqrt(20) * jnp.ones(20))[None, None]))
    rng, squares = np.random.default_rng(2), []
    for _ in range(30):
        z = rng.normal(size=(4, 100, 20))
        for t in range(1, 100):
            z[:, t] = correlation * z[:, t - 1] + np.sqrt(1 - correlation**2) * z[:, t]
        draws = there(centre + 0.05 * z)
        squares.append(location(model, rows, point, draws, draws).map ** 2)
    # The mean of S draws is itself off by d/S in all, S being 400 (1 − ρ)/(1 + ρ).
    expected = 25 + 20 / (400 * (1 - correlation) / (1 + correlation))
    assert abs(np.mean(squares) - expected) < 4 * np.std(squares) / np.sqrt(30) + 0.03 * 25


def test_intervals_are_those_of_their_kinds(single):
    model, x, fit = single
    observed = mx.standard_errors(model, fit, x)
    found = {one.kind: one for one in em_intervals(model, fit, observed, jnp.asarray(x), ("y",), KEY)}
    assert set(found) == {"observed", "sandwich", "bootstrap"}
    free = model.free_estimates(("y",))
    for kind in ("observed", "sandwich"):
        errors = mx.standard_errors(model, fit, x, kind=kind)
        assert found[kind].errors[0] == float(errors.values["means"][0, 0])
        expected = plug_in_interval(free[0], float(fit.params.means[0, 0]), found[kind].errors[0])
        assert found[kind].intervals[0] == expected
    # The bootstrap's sd of a mean is σ̂/√n, to the error of 500 replicates, and its interval 1.6 of these to each side.
    sd = x.std() / np.sqrt(len(x))
    low, high = found["bootstrap"].intervals[0]
    assert found["bootstrap"].errors[0] == pytest.approx(sd, rel=4 / np.sqrt(2 * 500))
    assert (high - low) / 2 == pytest.approx(1.598 * sd, rel=0.2)
    assert not any(one.reason for one in found.values())


def test_a_bootstrap_that_would_take_long_is_refused_in_words(single, monkeypatch):
    model, x, fit = single
    monkeypatch.setattr(intervals, "_MOST_WORK", 100)
    observed = mx.standard_errors(model, fit, x)
    (_, _, refused) = em_intervals(model, fit, observed, jnp.asarray(x), ("y",), KEY)
    assert "500 replicates of 60 rows would take long" in refused.reason
    assert np.isnan(refused.errors).all()


@pytest.mark.slow
def test_prediction_is_of_rows_left_out(single):
    """EM's plug-in normal predicts worse than the posterior, which knows that it is uncertain, by about d/2N a row."""
    model, x, fit = single
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=2000)
    found = predict_fairly(model, x, fit, posterior, key=KEY)
    corrected = np.asarray(found.em.corrected.log_density)
    assert found.difference == pytest.approx(corrected.sum() - found.posterior.elpd, abs=1e-6)
    assert found.em.total < float(fit.log_likelihood) - 1.0, "in-sample likelihood is not what is compared"
    gaps = corrected - found.posterior.pointwise
    assert found.standard_error == pytest.approx(gaps.std(ddof=1) * np.sqrt(len(x)))
    assert found.reason.startswith("On rows left out ")
    em = eqx.tree_at(lambda f: f.status, found.em, found.em.status.at[0].set(int(mx.Status.DEGENERATE)))
    failed = replace(found, em=em)
    assert np.isnan(failed.difference)
    assert "could not be measured" in failed.reason


@pytest.mark.slow
def test_there_is_no_prediction_without_a_fit_to_all_rows(single):
    model, x, fit = single
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=500)
    nothing = eqx.tree_at(lambda f: f.params, fit, jax.tree.map(lambda leaf: leaf * jnp.nan, fit.params))
    found = predict_fairly(model, x, nothing, posterior, key=KEY)
    assert np.isfinite(found.em.total)
    assert np.isnan([found.difference, found.standard_error]).all()
    assert found.reason == "EM's prediction could not be measured: there is no fit to all rows."
