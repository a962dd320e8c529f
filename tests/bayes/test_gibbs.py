"""Gibbs sampling: its steps leave the joint distribution as it is, and its posterior is that of NUTS."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import mixtures as mx
from mixtures.bayes.conditionals import conditionals
from mixtures.bayes.gibbs import allocate, moments_of
from mixtures.datasets import load
from tests.models import CONJUGATE

KEY = jax.random.key(8)
NUM_CASES = 2000


def conjugate(covariance):
    block = {"full": np.diag([3.0, 4.0]), "diagonal": np.array([3.0, 4.0]), "spherical": np.array(3.0)}
    scale = block[covariance.removeprefix("tied_").replace("tied", "full")]
    return mx.priors.Conjugate([0.5, -0.5], scale, dof=9.0, shrinkage=0.5, concentration=2.0)


def hierarchical(covariance):
    return mx.priors.Hierarchical([0.0, 1.0], [4.0, 2.0], [1.0, 2.0], 5.0, 4.0, 2.0)


def independent(covariance):
    matrices = covariance in ("full", "tied")
    spread = dist.InverseWishart(9.0, 5.0 * jnp.eye(2)) if matrices else dist.InverseGamma(5.0, 3.0)
    mean = dist.MultivariateNormal(jnp.zeros(2), jnp.array([[2.0, 0.5], [0.5, 1.0]])) if matrices else dist.Normal(0, 2)
    return mx.priors.Independent(dist.Dirichlet(jnp.array([2.0, 2.0])), mean, covariance=spread)


KINDS = {"conjugate": conjugate, "hierarchical": hierarchical, "independent": independent}


@pytest.mark.slow_but("conjugate-full")
@pytest.mark.parametrize("covariance", CONJUGATE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_leaves_the_joint_distribution_as_it_is(kind, covariance):
    """Parameters from the prior, rows from them: after steps given those rows they are from the prior still.

    Forty-odd z-scores a case and eighteen cases: one in all beyond 4.5 has a probability of 0.005.
    """
    model = mx.Mixture(mx.Gaussian(covariance), 2, KINDS[kind](covariance))
    given = conditionals(model, 2)

    @jax.jit
    def one(key):
        key_params, key_rows, key_steps = jax.random.split(key, 3)
        before = model.sample_prior(key_params, 2)
        x = model.sample(before, key_rows, 12)[0]

        def step(params, own):
            key_shares, key_draw = jax.random.split(own)
            shares = allocate(model, model.prepare(x), params, key_shares)
            return given.draw(key_draw, params, moments_of(given, x, shares)), None

        after, _ = jax.lax.scan(step, before, jax.random.split(key_steps, 5))
        return [summary(p, x) for p in (before, after)]

    def summary(params, x):
        flat = jnp.concatenate(
            [params.weights[:1], params.means.ravel(), jnp.log(params.variances).ravel(),
             params.covariances[:, 0, 1] / jnp.sqrt(jnp.prod(params.variances, axis=1))]
        )  # fmt: skip
        mean, *_ = x.mean(axis=0)
        return jnp.concatenate([flat, flat**2, flat * mean, jnp.array([flat[1] * flat[2], flat[1] * flat[5]])])

    before, after = map(np.asarray, jax.lax.map(one, jax.random.split(KEY, NUM_CASES), batch_size=500))
    gain = after - before
    z = gain.mean(axis=0) / np.maximum(gain.std(axis=0) / np.sqrt(NUM_CASES), 1e-12)
    assert np.abs(z).max() < 4.5, z.round(1)


@pytest.fixture(scope="module")
def both():
    x = load("faithful").values
    model = mx.Mixture(mx.Gaussian("full"), 2, mx.priors.fruhwirth_schnatter(x))
    gibbs = mx.fit_gibbs(model, x, key=KEY, num_warmup=300, num_samples=1500)
    return gibbs, mx.fit_nuts(model, x, key=KEY, num_warmup=500, num_samples=1000)


@pytest.mark.slow
def test_same_posterior_as_nuts(both):
    gibbs, nuts = (fit.diagnostics for fit in both)
    for name in ("log_likelihood", "log_joint"):
        a, b = gibbs.invariants[name], nuts.invariants[name]
        assert abs(a.mean - b.mean) < 4 * np.hypot(a.mcse, b.mcse)
    a, b = gibbs.parameters["means"], nuts.parameters["means"]
    assert (abs(a.mean - b.mean) < 4 * np.hypot(a.mcse, b.mcse)).all()


@pytest.mark.slow
def test_what_is_reported(both):
    gibbs, _ = both
    assert gibbs.status is mx.Status.CONVERGED
    assert gibbs.reason.startswith("Largest R-hat of a label-free quantity 1.0")
    assert (np.asarray(gibbs.info.occupied) == 2).all()
    assert "occupied" in gibbs.to_datatree()["sample_stats"]


@pytest.mark.slow
def test_a_sparse_prior_empties_components():
    """Two far groups, five components, Dirichlet(0.01): mostly two are occupied (Malsiner-Walli et al. 2016)."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(-5, 1, 60), rng.normal(5, 1, 60)])
    model = mx.Mixture(mx.Gaussian(), 5, mx.priors.fruhwirth_schnatter(x, concentration=0.01))
    occupied = np.asarray(mx.fit_gibbs(model, x, key=KEY, num_warmup=500, num_samples=500).info.occupied)
    assert np.bincount(occupied.ravel()).argmax() == 2
    assert occupied.min() == 2


@pytest.mark.slow
def test_inside_a_transformation():
    many = jnp.asarray(np.random.default_rng(2).normal(size=(3, 40)))

    def study(x, key):
        return mx.fit_gibbs(mx.Mixture.for_data(x, 1), x, key=key, num_warmup=50, num_samples=100, num_chains=2)

    fits = jax.jit(jax.vmap(study))(many, jax.random.split(KEY, 3))
    assert fits.log_joint.shape == (3, 2, 100)
    alone = study(many[1], jax.random.split(KEY, 3)[1])
    np.testing.assert_allclose(fits.log_joint[1], alone.log_joint, rtol=1e-6)


REFUSED = {
    "VEV": (lambda x: mx.Mixture.for_data(x, 2, mx.Gaussian("VEV")), "whose covariance model is full, tied, diagonal"),
    "noise": (lambda x: mx.Mixture.for_data(x, 2, mx.GaussianWithNoise.for_data(x)), "Gaussians without noise"),
    "fixed": (lambda x: mx.Mixture.for_data(x, 2).with_fixed(weights=[0.5, 0.5]), "not for mixtures with fixed"),
    "prior": (
        lambda x: mx.Mixture(
            mx.Gaussian(), 2, mx.priors.Independent(dist.Dirichlet(jnp.ones(2)), dist.Normal(0, 1), dist.HalfNormal(1))
        ),
        r"Gibbs sampling needs priors\.Conjugate",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_closed_form_is_refused(name, blobs):
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        mx.fit_gibbs(make(blobs), blobs, key=KEY)


@pytest.mark.slow
def test_weights_of_empty_components_are_as_small_as_they_were_drawn():
    """Under Dirichlet(0.01) an empty component's weight is below 1e-20 more often than not: (1e-20)^0.01 = 0.63."""
    x = np.linspace(-1.0, 1.0, 20)
    model = mx.Mixture(mx.Gaussian(), 3, mx.priors.Conjugate([0.0], [[0.5]], dof=5.0, concentration=0.01))
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=50, num_samples=250, num_chains=2)
    smallest = np.asarray(posterior.params.weights).min(axis=-1)[np.asarray(posterior.info.occupied) < 3]
    assert len(smallest) > 100
    assert np.mean(smallest < 1e-20) > 0.4
