"""Evidence by bridge sampling: closed forms, published values, and another method."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy.special import multigammaln

import mixtures as mx
from tests.bayes.test_smc import NEAL, chib, galaxies, normal_evidence  # noqa: F401  (a fixture)

KEY = jax.random.key(3)


@pytest.mark.slow
def test_one_component_in_closed_form():
    x = np.random.default_rng(5).normal(3.0, 2.0, 40)
    model = mx.Mixture.for_data(x, 1)
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=2000)
    found = mx.bridge_evidence(posterior, x, key=KEY)
    assert found.log_evidence == pytest.approx(normal_evidence(x, model.prior), abs=4 * found.mcse)
    assert found.mcse < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("covariance", "num_components"), NEAL)
def test_published_evidence_of_the_galaxies(galaxies, covariance, num_components):  # noqa: F811
    """Neal gives standard errors of 0.005, 0.040 and 0.089; labellings are 2, 6 and 6."""
    posterior = mx.fit_gibbs(chib(covariance, num_components), galaxies, key=KEY, num_samples=5000)
    found = mx.bridge_evidence(posterior, galaxies, key=KEY)
    assert found.log_evidence == pytest.approx(NEAL[covariance, num_components], abs=0.1)
    assert found.mcse < 0.03


@pytest.mark.slow
def test_two_methods_agree_on_components_that_overlap():
    """One normal group and two components: labels are arbitrary, so that counting them wrongly would show."""
    x = np.random.default_rng(3).normal(size=30)
    model = mx.Mixture(mx.Gaussian(), 2, mx.priors.Hierarchical([0.0], [1.0], [1.0], 5.0, 4.0, 4.0))
    posterior = mx.fit_gibbs(model, x, key=KEY, num_samples=5000)
    bridge = mx.bridge_evidence(posterior, x, key=KEY)
    smc = mx.fit_smc(model, x, key=KEY, num_particles=1000).info
    assert float(posterior.relabelling.ambiguity) > 0.01
    error = np.hypot(bridge.mcse, max(smc.log_evidence_mcse, 0.01))
    assert abs(bridge.log_evidence - smc.log_evidence) < 4 * error


@pytest.mark.slow
def test_fixed_parameters_are_refused(series):
    model = mx.Mixture.for_data(series, 2).with_fixed(weights=[0.5, 0.5])
    posterior = mx.fit_nuts(model, series, key=KEY, num_warmup=20, num_samples=20)
    with pytest.raises(ValueError, match="model has fixed parameters"):
        mx.fit_smc(model, series, key=KEY)
    with pytest.raises(ValueError, match="model has fixed parameters"):
        mx.bridge_evidence(posterior, series, key=KEY)


@pytest.mark.slow
def test_a_posterior_that_did_not_converge_is_refused(series):
    model = mx.Mixture.for_data(series, 3)
    posterior = mx.fit_gibbs(model, series, key=KEY, num_warmup=20, num_samples=20)
    found = mx.bridge_evidence(posterior, series, key=KEY)
    assert np.isnan(found.log_evidence)
    assert found.reason.startswith("The posterior did not converge: ")


@pytest.mark.slow
def test_whole_covariances_in_closed_form():
    """One component of two features: the normal-inverse-Wishart evidence (Murphy 2007, eq. 266)."""
    x = np.random.default_rng(5).normal(size=(25, 2)) @ [[1.0, 0.4], [0.0, 0.7]]
    model = mx.Mixture(mx.Gaussian("full"), 1, mx.priors.Conjugate([0.5, 0.0], 2 * np.eye(2), dof=5.0, shrinkage=0.5))
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=2000)
    expected = wishart_evidence(x, np.array([0.5, 0.0]), 0.5, 5.0, 2 * np.eye(2))
    bridge = mx.bridge_evidence(posterior, x, key=KEY)
    assert bridge.log_evidence == pytest.approx(expected, abs=4 * bridge.mcse)
    assert bridge.mcse < 0.02
    smc = mx.fit_smc(model, x, key=KEY, num_particles=500).info
    assert smc.log_evidence == pytest.approx(expected, abs=4 * max(smc.log_evidence_mcse, 0.02))


def wishart_evidence(x, mean, shrinkage, dof, scale):
    count, features = x.shape
    gap = x.mean(axis=0) - mean
    scatter = (x - x.mean(axis=0)).T @ (x - x.mean(axis=0))
    after = scale + scatter + shrinkage * count / (shrinkage + count) * np.outer(gap, gap)
    found = multigammaln((dof + count) / 2, features) - multigammaln(dof / 2, features)
    found += dof / 2 * np.linalg.slogdet(scale)[1] - (dof + count) / 2 * np.linalg.slogdet(after)[1]
    return found + features / 2 * (np.log(shrinkage / (shrinkage + count)) - count * np.log(np.pi))


@pytest.mark.slow
def test_draws_that_are_not_of_the_posterior_are_refused(series):
    model = mx.Mixture.for_data(series, 1)
    vi = mx.fit_vi(model, series, key=KEY, num_starts=1, num_steps=10, num_samples=100)
    calls = partial(mx.bridge_evidence, key=KEY), mx.loo, mx.stack_chains, lambda p, _: mx.prior_sensitivity(p)
    for call in calls:
        with pytest.raises(ValueError, match="these are from fit_vi, an approximation"):
            call(vi, series)
    draws = mx.fit_gibbs(model, series, key=KEY, num_warmup=20, num_samples=20)
    for other in (series + 1.0, series[:-1], np.c_[series, series]):
        with pytest.raises(ValueError, match="x must be the data that posterior was fitted to"):
            mx.loo(draws, other)


@pytest.mark.slow
def test_copies_that_are_not_counted_are_refused():
    x = np.random.default_rng(0).normal(size=(30, 2))
    model = mx.Mixture.for_data(x, 2, family=mx.Gaussian("VEV"))
    posterior = mx.fit_nuts(model, x, key=KEY, num_warmup=10, num_samples=10)
    with pytest.raises(ValueError, match="bridge sampling would miss these copies"):
        mx.bridge_evidence(posterior, x, key=KEY)


def test_bad_arguments(series):
    with pytest.raises(ValueError, match="posterior must be draws from"):
        mx.bridge_evidence(3, series, key=KEY)
