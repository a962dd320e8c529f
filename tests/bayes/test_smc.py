"""Tempered sequential Monte Carlo: evidence against closed forms and published values, and all modes found."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import gammaln

import mixtures as mx
from mixtures.datasets import load

KEY = jax.random.key(2)


@pytest.fixture(scope="module")
def galaxies():
    """As in Chib (1995): the 78th value is 26.96 there."""
    x = np.sort(load("galaxies").values.ravel())
    x[77] = 26.960
    return x


def chib(covariance, num_components):
    """Chib's (1995) prior: weights Dirichlet(1), means N(20, 100), variances inverse-gamma(3, 20)."""
    prior = mx.priors.Independent(
        dist.Dirichlet(jnp.ones(num_components)), dist.Normal(20.0, 10.0), covariance=dist.InverseGamma(3.0, 20.0)
    )
    return mx.Mixture(mx.Gaussian(covariance), num_components, prior)


def normal_evidence(x, prior):
    """Log evidence of normal rows under a normal–inverse-gamma prior (Murphy 2007, eq. 95)."""
    n, kappa, dof = len(x), float(prior.shrinkage), float(prior.dof)
    scale = float(prior.scale[0, 0])
    after = scale + ((x - x.mean()) ** 2).sum() + kappa * n / (kappa + n) * (x.mean() - float(prior.mean[0])) ** 2
    gammas = gammaln((dof + n) / 2) - gammaln(dof / 2)
    powers = dof / 2 * np.log(scale) - (dof + n) / 2 * np.log(after)
    return -n / 2 * np.log(np.pi) + 0.5 * np.log(kappa / (kappa + n)) + gammas + powers


def test_evidence_of_one_component():
    x = np.random.default_rng(5).normal(3.0, 2.0, 40)
    model = mx.Mixture.for_data(x, 1)
    found = mx.fit_smc(model, x, key=KEY, num_particles=2000)
    info = found.info
    assert info.log_evidence == pytest.approx(
        normal_evidence(x, model.prior), abs=4 * max(info.log_evidence_mcse, 0.01)
    )
    assert found.status is mx.Status.CONVERGED
    assert f"Log evidence {info.log_evidence:.2f} ±" in found.reason


# Neal (1999), "Erroneous results in 'Marginal likelihood from the Gibbs output'", by simple Monte Carlo from the prior.
NEAL = {("tied", 2): -239.764, ("tied", 3): -226.803, ("full", 3): -226.791}


@pytest.mark.parametrize(("covariance", "num_components"), NEAL)
def test_published_evidence_of_the_galaxies(galaxies, covariance, num_components):
    found = mx.fit_smc(chib(covariance, num_components), galaxies, key=KEY, num_particles=2000)
    assert found.info.log_evidence == pytest.approx(NEAL[covariance, num_components], abs=0.1)
    assert found.info.log_evidence_mcse < 0.05


def test_evidence_is_the_average_likelihood_under_the_prior():
    """Few rows, so that plain draws from the prior are enough."""
    x = np.array([-1.0, 0.2, 0.5, 2.5, 3.0])
    prior = mx.priors.Hierarchical([0.0], [4.0], [1.0], 3.0, 2.0, 2.0)
    model = mx.Mixture(mx.Gaussian(), 2, prior)
    rows = model.prepare(x)
    keys = jax.random.split(KEY, 100_000)
    heights = np.exp(
        jax.lax.map(lambda k: model.log_likelihood(model.sample_prior(k, 1), rows), keys, batch_size=10_000)
    )
    expected, error = np.log(heights.mean()), heights.std() / heights.mean() / np.sqrt(len(heights))
    info = mx.fit_smc(model, x, key=KEY, num_particles=2000).info
    assert abs(info.log_evidence - expected) < 4 * np.hypot(error, max(info.log_evidence_mcse, 0.01))


def test_modes_in_their_proportions():
    """A weight held near one end leaves two modes: which component is the narrow one. Quadrature gives their shares."""
    x = np.array([-6.0, -5.0, -5.5, 5.0, 5.5, 6.0, 6.5])
    prior = mx.priors.Independent(
        dist.Dirichlet(jnp.ones(2)), dist.Normal(0.0, 5.0), covariance=dist.InverseGamma(3.0, 2.0)
    )
    model = mx.Mixture(mx.Gaussian("tied"), 2, prior).with_fixed(weights=[0.6, 0.4], covariances=np.array([[0.5]]))
    found = mx.fit_smc(model, x, key=KEY, num_particles=2000, num_moves=3)
    grid = np.linspace(-9, 9, 181)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    log_density = -(a**2 + b**2) / 50
    for value in x:
        log_density = log_density + np.logaddexp(np.log(0.6) - (value - a) ** 2, np.log(0.4) - (value - b) ** 2)
    density = np.exp(log_density - log_density.max())
    expected = density[a < b].sum() / density.sum()
    means = np.asarray(found.params.means)[..., 0]
    share = (means[..., 0] < means[..., 1]).mean(axis=1)
    assert 0.05 < expected < 0.95
    assert share.mean() == pytest.approx(expected, abs=4 * max(share.std(ddof=1) / np.sqrt(len(share)), 0.01))


def test_same_posterior_as_nuts(series):
    model = mx.Mixture.for_data(series, 2)
    particles = mx.fit_smc(model, series, key=KEY).diagnostics
    draws = mx.fit_nuts(model, series, key=KEY, num_samples=2000).diagnostics
    for name in ("log_likelihood", "log_joint"):
        a, b = particles.invariants[name], draws.invariants[name]
        assert abs(a.mean - b.mean) < 4 * np.hypot(a.mcse, b.mcse)
        assert a.sd == pytest.approx(b.sd, rel=0.1)


def test_inside_a_transformation():
    x = jnp.asarray(np.random.default_rng(2).normal(size=30))

    def study(x, key):
        return mx.fit_smc(mx.Mixture.for_data(x, 1), x, key=key, num_particles=200, num_runs=2).info.log_evidences

    np.testing.assert_allclose(jax.jit(study)(x, KEY), study(x, KEY), rtol=1e-6)
