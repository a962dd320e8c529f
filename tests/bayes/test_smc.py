"""Tempered sequential Monte Carlo: evidence against closed forms and published values, and all modes found."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import gammaln

import mixtures as mx
from mixtures.bayes import smc as module
from mixtures.datasets import load
from tests.bayes.test_telescope import cluster

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


@pytest.mark.slow
def test_evidence_of_one_component():
    x = np.random.default_rng(5).normal(3.0, 2.0, 40)
    model = mx.Mixture.for_data(x, 1)
    found = mx.fit_smc(model, x, key=KEY, num_particles=1000)
    info = found.info
    assert info.log_evidence == pytest.approx(
        normal_evidence(x, model.prior), abs=4 * max(info.log_evidence_mcse, 0.01)
    )
    assert found.status is mx.Status.CONVERGED
    told = re.search(r"Log evidence −(\S+) ± (\S+)\.$", found.reason)
    assert told is not None
    np.testing.assert_allclose(
        [-float(told[1]), float(told[2])], [info.log_evidence, info.log_evidence_mcse], atol=1e-3
    )


# Neal (1999), "Erroneous results in 'Marginal likelihood from the Gibbs output'", by simple Monte Carlo from the prior.
NEAL = {("tied", 2): -239.764, ("tied", 3): -226.803, ("full", 3): -226.791}


@pytest.mark.slow
def test_published_evidence_of_the_galaxies(galaxies):
    found = mx.fit_smc(chib("full", 3), galaxies, key=KEY, num_particles=1000)
    assert found.info.log_evidence == pytest.approx(NEAL["full", 3], abs=0.1)
    assert found.info.log_evidence_mcse < 0.1


@pytest.mark.slow
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
    info = mx.fit_smc(model, x, key=KEY, num_particles=1000).info
    assert abs(info.log_evidence - expected) < 4 * np.hypot(error, max(info.log_evidence_mcse, 0.01))


@pytest.mark.slow
def test_modes_in_their_proportions():
    """A row between two groups belongs to either: how often each pair is together, by a sum over all allocations."""
    x = np.array([-3.0, -2.4, -2.0, 0.2, 2.1, 2.9])
    prior = mx.priors.Conjugate([0.0], [[0.4]], dof=4.0, shrinkage=0.1)
    model = mx.Mixture(mx.Gaussian(), 2, prior)
    together, total = np.zeros((6, 6)), 0.0
    for code in range(2**6):
        groups = np.array([code >> i & 1 for i in range(6)])
        parts = [x[groups == k] for k in (0, 1)]
        weight = np.exp(sum(gammaln(len(p) + 1) + (cluster(p, 0.0, 0.1, 4.0, 0.4) if len(p) else 0.0) for p in parts))
        together += weight * (groups[:, None] == groups)
        total += weight
    expected = together / total
    found = mx.fit_smc(model, x, key=KEY, num_particles=1000)
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found.params)
    shares = np.asarray(jax.vmap(lambda p: model.responsibilities(p, x))(flat))
    similar = np.einsum("snk,smk->snm", shares, shares)
    off = ~np.eye(6, dtype=bool)
    assert 0.1 < expected[3, 2] < 0.9
    np.testing.assert_allclose(similar.mean(axis=0)[off], expected[off], atol=4 * 0.5 / np.sqrt(3000))


@pytest.mark.slow
def test_same_posterior_as_nuts(series):
    model = mx.Mixture.for_data(series, 2)
    particles = mx.fit_smc(model, series, key=KEY, num_particles=500).diagnostics
    draws = mx.fit_nuts(model, series, key=KEY, num_warmup=500, num_samples=1000).diagnostics
    for name in ("log_likelihood", "log_joint"):
        a, b = particles.invariants[name], draws.invariants[name]
        assert abs(a.mean - b.mean) < 4 * np.hypot(a.mcse, b.mcse)
        assert a.sd == pytest.approx(b.sd, rel=0.1)


@pytest.mark.slow
def test_inside_a_transformation():
    x = jnp.asarray(np.random.default_rng(2).normal(size=30))

    def study(x, key):
        return mx.fit_smc(mx.Mixture.for_data(x, 1), x, key=key, num_particles=200, num_runs=2).info.log_evidences

    np.testing.assert_allclose(jax.jit(study)(x, KEY), study(x, KEY), rtol=1e-6)


@pytest.mark.slow
def test_a_run_cut_short_is_not_converged(series, monkeypatch):
    monkeypatch.setattr(module, "_MOST_STAGES", 2)
    # A number of particles that no other test has, so that the program is traced under the patch.
    found = mx.fit_smc(mx.Mixture.for_data(series, 1), series, key=KEY, num_particles=101, num_runs=1)
    assert found.status is mx.Status.NOT_CONVERGED
    assert found.reason.startswith("A run stopped at power 0.")
