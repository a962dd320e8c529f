"""Densities and priors against independent implementations: SciPy and plain NumPy loops."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import mixtures as mx
from tests.oracles import (
    COVARIANCES,
    DIMENSIONS,
    NUM_COMPONENTS,
    component_log_densities,
    conjugate,
    conjugate_log_prior,
    densities,
    expand,
    hyperparameters,
    log_prior,
    package_params,
    random_params,
)


@pytest.mark.parametrize("num_features", DIMENSIONS)
@pytest.mark.parametrize("covariance", COVARIANCES)
class TestDensities:
    @pytest.fixture
    def problem(self, covariance, num_features):
        rng = np.random.default_rng(3)
        weights, means, compact = random_params(rng, covariance, num_features)
        # Far from the origin and in unequal units, where a careless kernel loses digits.
        unit = np.full(num_features, 0.1) if covariance == "spherical" else 10.0 ** -np.arange(num_features)
        squared = {"diagonal": unit**2, "spherical": 0.01}.get(covariance, unit[:, None] * unit)
        x = 1000.0 + rng.normal(scale=2, size=(25, num_features)) * unit
        return x, weights, 1000.0 + means * unit, compact * squared

    def test_log_prob_likelihood_and_responsibilities(self, problem, covariance, num_features):
        x, weights, means, compact = problem
        dense = expand(covariance, compact, NUM_COMPONENTS, num_features)
        each = component_log_densities(x, weights, means, dense)
        log_prob = np.log(np.exp(each - each.max(1, keepdims=True)).sum(1)) + each.max(1)

        model = mx.Mixture(mx.Gaussian(covariance), NUM_COMPONENTS)
        params, rows = package_params(covariance, weights, means, compact), jnp.asarray(x)
        np.testing.assert_allclose(params.covariances, dense, rtol=1e-14)
        by_row, total, responsibilities = densities(model, params, rows)
        np.testing.assert_allclose(by_row, log_prob, rtol=1e-8)
        np.testing.assert_allclose(total, log_prob.sum(), rtol=1e-9)
        np.testing.assert_allclose(responsibilities, np.exp(each - log_prob[:, None]), atol=1e-8)

    def test_conjugate_log_prior(self, covariance, num_features):
        weights, means, compact = random_params(np.random.default_rng(4), covariance, num_features)
        hyper = hyperparameters(covariance, num_features)
        model = mx.Mixture(mx.Gaussian(covariance), NUM_COMPONENTS, conjugate(hyper))
        expected = conjugate_log_prior(covariance, hyper, weights, means, compact)
        actual = log_prior(model, package_params(covariance, weights, means, compact))
        np.testing.assert_allclose(actual, expected, rtol=1e-10)

    def test_independent_prior_on_covariance(self, covariance, num_features):
        weights, means, compact = random_params(np.random.default_rng(5), covariance, num_features)
        matrices = covariance in ("full", "tied") and num_features > 1
        scale_matrix = np.eye(num_features) + 0.2
        on_covariance = (
            dist.InverseWishart(num_features + 3.0, scale_matrix=jnp.asarray(scale_matrix))
            if matrices
            else dist.InverseGamma(2.0, 1.5)
        )
        prior = mx.priors.Independent(dist.Dirichlet(jnp.full(2, 1.5)), dist.Normal(0.5, 3.0), covariance=on_covariance)
        expected = stats.dirichlet([1.5, 1.5]).logpdf(weights) + stats.norm(0.5, 3.0).logpdf(means).sum()
        if matrices:
            for matrix in compact if covariance == "full" else [compact]:
                expected += stats.invwishart(num_features + 3, scale_matrix).logpdf(matrix)
        else:
            expected += stats.invgamma(2.0, scale=1.5).logpdf(compact).sum()
        model = mx.Mixture(mx.Gaussian(covariance), NUM_COMPONENTS, prior)
        actual = log_prior(model, package_params(covariance, weights, means, compact))
        np.testing.assert_allclose(actual, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("covariance", "num_features"),
    [("full", 1), ("tied", 1), ("diagonal", 1), ("diagonal", 3), ("spherical", 1), ("spherical", 3)],
)
def test_independent_prior_on_scale_carries_its_jacobian(covariance, num_features):
    # A density p(σ) on standard deviations is p(σ) / 2σ on variances.
    weights, means, compact = random_params(np.random.default_rng(6), covariance, num_features)
    prior = mx.priors.Independent(dist.Dirichlet(jnp.ones(2)), dist.Normal(0.0, 3.0), scale=dist.HalfNormal(1.3))
    sigma = np.sqrt(compact)
    expected = stats.norm(0, 3).logpdf(means).sum() + np.sum(
        stats.halfnorm(scale=1.3).logpdf(sigma) - np.log(2 * sigma)
    )
    model = mx.Mixture(mx.Gaussian(covariance), NUM_COMPONENTS, prior)
    actual = log_prior(model, package_params(covariance, weights, means, compact))
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


@pytest.mark.parametrize("covariance", ["full", "tied"])
@pytest.mark.parametrize("num_features", [2, 3])
def test_scale_and_correlation_change_variables(covariance, num_features):
    rng = np.random.default_rng(7)
    weights, means, compact = random_params(rng, covariance, num_features)
    correlation = dist.LKJ(2, 3.0) if num_features == 2 else None  # None: uniform over correlation matrices
    prior = mx.priors.Independent(
        dist.Dirichlet(jnp.ones(2)), dist.Normal(0.0, 3.0), scale=dist.HalfNormal(1.3), correlation=correlation
    )
    expected = stats.norm(0, 3).logpdf(means).sum()
    for matrix in compact if covariance == "full" else [compact]:
        expected += scale_correlation_log_density(matrix)
    model = mx.Mixture(mx.Gaussian(covariance), NUM_COMPONENTS, prior)
    actual = log_prior(model, package_params(covariance, weights, means, compact))
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


def scale_correlation_log_density(matrix):
    """HalfNormal(1.3) scales and a known density of correlations, carried to covariances by autodiff."""
    num_features = len(matrix)
    below = np.tril_indices(num_features, -1)
    sigma = np.sqrt(np.diag(matrix))
    r = (matrix / np.outer(sigma, sigma))[below]

    def covariance_entries(free):
        s, corr = free[:num_features], jnp.eye(num_features).at[below].set(free[num_features:])
        corr = corr + corr.T - jnp.eye(num_features)
        return (s[:, None] * corr * s)[np.tril_indices(num_features)]

    jacobian = jax.jacfwd(covariance_entries)(jnp.concatenate([sigma, r]))
    # LKJ(3) of two features: (r + 1) / 2 ~ Beta(3, 3). Correlation matrices of three features fill a volume π² / 2.
    log_correlation = (
        stats.beta(3, 3).logpdf((r[0] + 1) / 2) - np.log(2) if num_features == 2 else -np.log(np.pi**2 / 2)
    )
    return stats.halfnorm(scale=1.3).logpdf(sigma).sum() + log_correlation - np.linalg.slogdet(np.asarray(jacobian))[1]
