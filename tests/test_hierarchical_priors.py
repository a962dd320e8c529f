"""Hierarchical priors: the integrated densities against quadrature and simulation, and published numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.integrate import quad

import mixtures as mx
from mixtures._distributions import HierarchicalInverseGamma, HierarchicalInverseWishart
from mixtures.datasets import load


def test_variances_have_their_rate_integrated_out():
    """∫ gamma(C | g, G) Π_k inverse-gamma(σ²_k | c, C) dC by quadrature."""
    c, g, rate, values = 2.3, 0.7, 1.9, np.array([0.4, 1.1, 3.0])

    def integrand(scale):
        return stats.gamma.pdf(scale, g, scale=1 / rate) * np.prod(stats.invgamma.pdf(values, c, scale=scale))

    expected = np.log(quad(integrand, 0, 1, epsabs=0)[0] + quad(integrand, 1, np.inf, epsabs=0)[0])
    found = HierarchicalInverseGamma(c, g, jnp.array(rate), (3,)).log_prob(jnp.asarray(values))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    features = HierarchicalInverseGamma(c, g, jnp.array([rate, rate]), (3,))
    assert float(features.log_prob(jnp.asarray(values)[:, None].repeat(2, 1))) == pytest.approx(2 * expected, rel=1e-6)


def test_matrices_of_one_feature_are_variances():
    values = jnp.array([0.4, 1.1, 3.0])
    plain = HierarchicalInverseGamma(2.3, 0.7, jnp.array(1.9), (3,)).log_prob(values)
    matrix = HierarchicalInverseWishart(2.3, 0.7, jnp.array([[1.9]]), (3,)).log_prob(values[:, None, None])
    assert float(matrix) == pytest.approx(float(plain), rel=1e-10)


def test_matrices_have_their_rate_integrated_out():
    """p(Σ) p(C | Σ) = p(C) Π_k p(Σ_k | C) at any C: C given Σ is again Wishart, with shape Kc + g, rate G + Σ Σ_k⁻¹."""
    c, g, rate = 3.1, 1.7, np.array([[2.0, 0.5], [0.5, 1.0]])
    covariances = stats.invwishart.rvs(6, np.eye(2), size=3, random_state=0)
    total = rate + sum(np.linalg.inv(s) for s in covariances)
    scale = stats.wishart.rvs(4, np.eye(2), random_state=1)

    def wishart(shape, rate):
        return stats.wishart.logpdf(scale, 2 * shape, np.linalg.inv(2 * rate))

    given = sum(stats.invwishart.logpdf(s, 2 * c, 2 * scale) for s in covariances)
    expected = wishart(g, rate) + given - wishart(3 * c + g, total)
    prior = HierarchicalInverseWishart(c, g, jnp.asarray(rate), (3,))
    assert float(prior.log_prob(jnp.asarray(covariances))) == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow_but("1")
@pytest.mark.parametrize("size", [1, 2])
def test_draws_have_the_density(size):
    """Importance weights between two such priors average one, in both directions."""
    small, large = (
        HierarchicalInverseGamma(c, g, jnp.array(1.5), (2,))
        if size == 1
        else HierarchicalInverseWishart(c + 0.5, g + 0.5, 1.5 * jnp.eye(2), (2,))
        for c, g in ((2.5, 2.0), (3.0, 2.5))
    )
    for one, other in ((small, large), (large, small)):
        draws = one.sample(jax.random.key(size), (20_000,))
        weights = np.exp(np.asarray(other.log_prob(draws) - one.log_prob(draws)))
        assert weights.mean() == pytest.approx(1.0, abs=4 * weights.std() / np.sqrt(len(weights)))


def test_richardson_and_greens_numbers():
    """For the galaxies in thousands of km/s: R = 25.107, ξ = 21.7255; α = 2, g = 0.2, h = 10/R²."""
    x = load("galaxies").values
    spread = x.max() - x.min()
    layout = mx.Gaussian("full").layout(3, 1)
    sites = mx.priors.richardson_green(x).sites(layout)
    covariances = sites["covariances"]({})
    np.testing.assert_allclose([covariances.shape_, covariances.hyper_shape], [2.0, 0.2])
    np.testing.assert_allclose(covariances.hyper_rate, 10 / spread**2)
    means = sites["means"]({}).base_dist.base_dist
    np.testing.assert_allclose(np.ravel(means.loc)[0], (x.max() + x.min()) / 2)
    np.testing.assert_allclose(np.ravel(means.scale)[0], spread)
    with pytest.raises(ValueError, match="a prior for one feature, got 2"):
        mx.priors.richardson_green(load("faithful").values)


def test_fruhwirth_schnatters_numbers():
    """c = 2.5 + (D − 1)/2, g = 0.5 + (D − 1)/2, G = (100 g / c) diag(1/R²), m the medians."""
    x = load("faithful").values
    squared_ranges = np.ptp(x, axis=0) ** 2
    prior = mx.priors.fruhwirth_schnatter(x)
    covariances = prior.sites(mx.Gaussian("full").layout(2, 2))["covariances"]({})
    assert (float(covariances.shape_), float(covariances.hyper_shape)) == (3.0, 1.0)
    np.testing.assert_allclose(covariances.hyper_rate, np.diag(100 / 3 / squared_ranges))
    np.testing.assert_allclose(prior.mean, np.median(x, axis=0))
    assert float(prior.concentration) == 4


def test_rafterys_numbers():
    x = load("acidity").values
    prior = mx.priors.raftery(x, 3)
    assert isinstance(prior.covariance, dist.InverseGamma)
    np.testing.assert_allclose(prior.covariance.rate, 0.36 * x.var(axis=0))
    np.testing.assert_allclose(prior.mean.scale**2, np.ptp(x, axis=0) ** 2 / 2.6)


def test_rafterys_numbers_are_for_each_feature():
    x = load("faithful").values
    variances = mx.priors.raftery(x, 3).sites(mx.Gaussian("diagonal").layout(3, 2))["covariances"]({})
    values = np.array([[0.5, 20.0], [1.0, 30.0], [0.7, 250.0]])
    expected = stats.invgamma.logpdf(values, 1.28, scale=0.36 * x.var(axis=0)).sum()
    np.testing.assert_allclose(variances.log_prob(values), expected)
    with pytest.raises(ValueError, match="covariance must be one distribution for all components"):
        mx.priors.raftery(x, 2).sites(mx.Gaussian("spherical").layout(2, 2))


BAD = {
    "shape": (([0.0, 1.0], [1.0], [1.0]), "mean_variance must have shape"),
    "sign": (([0.0], [1.0], [-1.0]), "variance must be positive"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_hyperparameters(name):
    given, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        mx.priors.Hierarchical(*given)


def test_models_that_share_parts_are_refused():
    prior = mx.priors.Hierarchical(np.zeros(2), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"use priors\.Decomposed for this one"):
        prior.sites(mx.Gaussian("VEV").layout(2, 2))
    with pytest.raises(ValueError, match="mean must have shape"):
        prior.sites(mx.Gaussian("full").layout(2, 3))
