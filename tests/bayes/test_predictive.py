"""Predictive simulations and checks: moments in closed form, tail probabilities that are uniform where they must be."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import mixtures as mx
from mixtures.bayes.predictive import STATISTICS, PredictiveCheck
from mixtures.datasets import load

KEY = jax.random.key(8)


@pytest.fixture(scope="module")
def explicit():
    prior = mx.priors.Independent(dist.Dirichlet(jnp.full(2, 2.0)), dist.Normal(1.0, 2.0), dist.HalfNormal(1.5))
    return mx.Mixture(mx.Gaussian(), 2, prior)


def test_prior_predictive_has_the_moments_of_the_prior(explicit):
    """A row has mean E[μ] and variance Var[μ] + E[σ²]."""
    x = np.asarray(mx.prior_predictive(explicit, key=KEY, num_rows=1, num_draws=20_000)).ravel()
    variance = 2.0**2 + 1.5**2
    assert abs(x.mean() - 1.0) < 4 * np.sqrt(variance / len(x))
    spread = np.sqrt(np.mean((x - 1) ** 4) - variance**2) / np.sqrt(len(x))
    assert abs(np.mean((x - 1.0) ** 2) - variance) < 4 * spread


def test_statistics_are_what_they_are_called(blobs):
    found = {name: np.asarray(function(jnp.asarray(blobs))) for name, function in STATISTICS.items()}
    np.testing.assert_allclose(found["sd"], blobs.std(axis=0))
    np.testing.assert_allclose(found["skewness"], stats.skew(blobs))
    np.testing.assert_allclose(found["excess kurtosis"], stats.kurtosis(blobs))
    np.testing.assert_allclose(found["largest gap"], np.diff(np.sort(blobs, axis=0), axis=0).max(axis=0))
    np.testing.assert_allclose(found["correlation"], [np.corrcoef(blobs.T)[0, 1]])


@pytest.mark.slow
def test_tails_of_prior_data_are_uniform(explicit):
    """Data that come from the prior fall below a tail probability p in a share p of cases."""
    sets = np.asarray(mx.prior_predictive(explicit, key=KEY, num_rows=20, num_draws=300))
    tails = []
    for i, x in enumerate(sets):
        key = jax.random.fold_in(KEY, i)
        check = mx.check_prior(explicit, x, key=key, statistics=MEAN, num_draws=400)
        tails.append(check.tails["mean"].item())
    # At n = 300 the Kolmogorov distance passes 0.11 with probability 0.001.
    assert stats.kstest(tails, "uniform").statistic < 0.11 + 1 / 400


def test_a_statistic_is_named_by_its_features():
    spread = np.random.default_rng(0).normal(size=(1000, 3))
    observed = {"maximum": np.array([0.0, 9.0, 0.0]), "correlation": np.array([0.0, 0.0, -8.0])}
    check = PredictiveCheck(observed, dict.fromkeys(observed, spread), 50, 50, ("length", "width", "weight"))
    assert "maximum of width 9, simulated −2" in check.reason.replace("-", "−")
    assert "correlation of width and weight −8" in check.reason
    assert "maximum[2] 9" in replace(check, columns=()).reason


MEAN = {"mean": lambda x: jnp.mean(x)}


@pytest.mark.slow
def test_a_misfit_is_found_and_a_fit_is_not():
    x = load("faithful").values
    one, two = (mx.fit_gibbs(mx.Mixture.for_data(x, k), x, key=KEY, num_warmup=200, num_samples=500) for k in (1, 2))
    poor = mx.check_posterior(one, x, key=KEY)
    assert poor.tails["excess kurtosis"].max() < 0.01
    assert "excess kurtosis[1] −1.501, simulated −0." in poor.reason
    good = mx.check_posterior(two, x, key=KEY)
    assert good.reason == "All 15 statistics of the data are as in data simulated from the model."
    assert good.simulated["correlation"].shape == (1000, 1)
    assert mx.posterior_predictive(two, key=KEY, num_rows=7, num_draws=3).shape == (3, 7, 2)


@pytest.mark.slow
def test_many_rows_are_checked_by_a_sample_of_them_beside_data_of_its_size():
    """A largest value grows with the number of rows: that of forty rows is compared with that of forty."""
    x = np.random.default_rng(9).normal(size=4000)
    posterior = mx.fit_gibbs(mx.Mixture.for_data(x, 1), x, key=KEY, num_warmup=50, num_samples=200)
    check = mx.check_posterior(posterior, x, key=KEY, max_rows=40)
    assert (check.num_used, check.num_rows) == (40, 4000)
    assert check.observed["maximum"] in x
    largest = check.simulated["maximum"]
    # The largest of forty standard normals is 2.161 ± 0.444 (Harter 1961); the posterior's own width adds little.
    assert abs(largest.mean() - 2.161) < 4 * 0.444 / np.sqrt(1000) + 0.06
    assert check.reason.endswith(" From 40 of 4000 rows.")


def test_statistics_of_ones_own(explicit, series):
    assert "correlation" not in mx.check_prior(explicit, series, key=KEY, num_draws=200).observed
    share = {"above nought": lambda x: jnp.mean(x > 0)}
    found = mx.check_prior(explicit, series, key=KEY, statistics=share)
    assert found.observed["above nought"] == np.mean(series > 0)
    for wrong in ({}, {"mean": 3}):
        with pytest.raises(ValueError, match="statistics must name at least one function, and nothing else"):
            mx.check_prior(explicit, series, key=KEY, statistics=wrong)


@pytest.mark.slow
def test_a_statistic_that_is_no_number_is_named(explicit):
    rows = jnp.array([-3.0, -2.0, -1.0, 0.5])
    check = mx.check_prior(explicit, rows, key=KEY, num_draws=200, statistics={"log": lambda x: jnp.log(jnp.mean(x))})
    assert np.isnan(check.tails["log"])
    assert "log of the data, which is no number" in check.reason
    with pytest.raises(ValueError, match="at least 200"):
        mx.check_prior(explicit, rows, key=KEY, num_draws=100)
