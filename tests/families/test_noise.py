"""The uniform noise component: the density, EM and posterior of Gaussians beside it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import mixtures as mx
from mixtures.coordinates import Coordinates, hessian
from mixtures.datasets import load
from mixtures.em import newton
from mixtures.labels import relabel

FAITHFUL = load("faithful").values
BOX = np.array([0.6, 33.0]), np.array([6.1, 106.0])


@pytest.fixture(scope="module")
def noisy():
    """Old faithful with 60 rows from anywhere."""
    anywhere = np.random.default_rng(0).uniform(*BOX, size=(60, 2))
    return np.concatenate([FAITHFUL, anywhere])


@pytest.fixture(scope="module")
def fit(noisy):
    model = mx.Mixture(mx.GaussianWithNoise.for_data(noisy), 2)
    return model, mx.fit_em(model, noisy, key=jax.random.key(0), objective="ml", num_starts=16)


def log_density(model, params, x):
    """Of rows, from its definition."""
    low, high = np.asarray(model.family.low), np.asarray(model.family.high)
    parts = [np.full(len(x), np.log(params.weights[-1]) - np.log(high - low).sum())]
    for weight, mean, covariance in zip(params.weights, params.means, params.covariances, strict=False):
        parts.append(np.log(weight) + multivariate_normal(mean, covariance).logpdf(x))
    return logsumexp(parts, axis=0)


def test_maximum_is_that_of_mclust(noisy, fit):
    """mclust 6.0 (R), Mclust(noisy, G=2, "VVV", initialization=list(noise=…), Vinv=1/volume), to tolerance 1e-13."""
    np.testing.assert_allclose(np.prod(np.ptp(noisy, axis=0)), 391.4606302360365, rtol=1e-12)
    model, found = fit
    assert found.status.is_estimate
    np.testing.assert_allclose(found.log_likelihood, -1598.82227176, atol=1e-6)
    np.testing.assert_allclose(found.params.weights, [0.26754585, 0.50324264, 0.22921150], atol=1e-5)
    np.testing.assert_allclose(found.params.means, [[1.99986, 54.14837], [4.319212, 80.090914]], rtol=1e-5)
    assert model.num_parameters(2) == 12


@pytest.mark.slow_but("tied_spherical")
@pytest.mark.parametrize("covariance", ["full", "tied_spherical", "EVE"])
def test_density_is_its_definition(noisy, covariance):
    model = mx.Mixture.for_data(noisy, 3, mx.GaussianWithNoise.for_data(noisy, covariance))
    coordinates = Coordinates.of(model, model.prepare(noisy).frame)
    assert coordinates.size == model.num_parameters(2)
    params = coordinates.params(jax.random.normal(jax.random.key(0), (coordinates.size,)))
    for accurate in (False, True):
        rows = model.prepare(noisy, accurate=accurate)
        np.testing.assert_allclose(model.log_prob(params, rows), log_density(model, params, noisy), rtol=1e-9)
    responsibilities = model.responsibilities(params, noisy)
    assert responsibilities.shape == (len(noisy), 4)
    np.testing.assert_allclose(responsibilities.sum(axis=1), 1.0)


@pytest.mark.slow
def test_newton_has_the_right_derivatives(noisy, fit):
    model, found = fit
    rows = model.prepare(noisy)
    coordinates = Coordinates.of(model, rows.frame)
    u = coordinates.vector(found.params) + 0.1
    moments = model.family.e_step(coordinates.params(u), rows)[1]
    gradient, curvature = eqx.filter_jit(newton.derivatives)(model, rows, coordinates, u, moments)

    def objective(u):
        return model.log_joint(coordinates.params(u), rows)

    np.testing.assert_allclose(gradient, jax.grad(objective)(u), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(curvature, hessian(objective, u), rtol=1e-6, atol=1e-6)


def test_missing_values_and_known_rows(noisy):
    """The likelihood of incomplete rows is that of what is observed; a known row counts for its own part alone."""
    model = mx.Mixture(mx.GaussianWithNoise("full", *BOX), 2)
    coordinates = Coordinates.of(model, model.prepare(noisy).frame)
    params = coordinates.params(jax.random.normal(jax.random.key(1), (coordinates.size,)))
    gaps = noisy.copy()
    gaps[::5, 1] = np.nan
    one = mx.Mixture(mx.GaussianWithNoise("full", BOX[0][:1], BOX[1][:1]), 2)
    marginal = mx.Gaussian("full").params(
        {"weights": params.weights, "means": params.means[:, :1], "covariances": params.covariances[:, :1, :1]}
    )
    expected = np.where(
        np.isnan(gaps[:, 1]), log_density(one, marginal, noisy[:, :1]), log_density(model, params, noisy)
    )
    np.testing.assert_allclose(model.log_prob(params, gaps), expected, rtol=1e-9)
    labels = np.full(len(noisy), -1)
    labels[-60:] = 2
    known = model.responsibilities(params, model.prepare(noisy, labels=labels))
    np.testing.assert_allclose(known[-60:], np.tile([0.0, 0.0, 1.0], (60, 1)))
    volume = np.log(BOX[1] - BOX[0]).sum()
    expected = log_density(model, params, noisy[:-60]).sum() + 60 * (np.log(params.weights[2]) - volume)
    np.testing.assert_allclose(model.log_likelihood(params, model.prepare(noisy, labels=labels)), expected, rtol=1e-9)


def test_imputed_noise_is_the_middle_of_the_box(noisy):
    """With nearly all weight on noise, a missing value is uniform over its side of the box."""
    model = mx.Mixture(mx.GaussianWithNoise("full", *BOX), 1)
    params = mx.Gaussian("full").params(
        {
            "weights": jnp.array([1e-12, 1.0]),
            "means": jnp.asarray(FAITHFUL.mean(axis=0))[None],
            "covariances": jnp.cov(FAITHFUL.T)[None],
        }
    )
    gaps = noisy.copy()
    gaps[0, 1] = np.nan
    values, sd = model.impute(params, gaps)
    np.testing.assert_allclose(values[0, 1], (BOX[0][1] + BOX[1][1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(sd[0, 1], (BOX[1][1] - BOX[0][1]) / np.sqrt(12), rtol=1e-6)


def test_samples_have_the_shares_and_means_of_the_parts(fit):
    model, found = fit
    x, component = model.sample(found.params, jax.random.key(0), 40_000)
    shares = np.bincount(component, minlength=3) / 40_000
    np.testing.assert_allclose(shares, found.params.weights, atol=5 * 0.5 / np.sqrt(40_000))
    noise = np.asarray(x)[np.asarray(component) == 2]
    low, high = np.asarray(model.family.low), np.asarray(model.family.high)
    error = (high - low) / np.sqrt(12 * len(noise))
    assert (np.abs(noise.mean(axis=0) - (low + high) / 2) < 5 * error).all()
    assert ((noise >= low) & (noise <= high)).all()


def test_noise_keeps_its_label(noisy):
    """Draws with permuted components are aligned, and noise is never exchanged with a component."""
    model = mx.Mixture.for_data(noisy, 2, mx.GaussianWithNoise.for_data(noisy))
    params = mx.Gaussian("full").params(
        {
            "weights": jnp.array([0.1, 0.6, 0.3]),
            "means": jnp.array([[3.4, 70.0], [3.5, 71.0]]),
            "covariances": jnp.stack([50 * jnp.eye(2), 400 * jnp.eye(2)]),  # wide: responsibilities like those of noise
        }
    )
    swapped = model.family.permute(params, jnp.array([1, 0]))
    np.testing.assert_allclose(swapped.weights, [0.6, 0.1, 0.3])
    draws = jax.tree.map(lambda a, b: jnp.stack([a, b, a])[None], params, swapped)
    aligned, relabelling = relabel(model, model.prepare(noisy), draws, params)
    np.testing.assert_array_equal(relabelling.permutations[0], [[0, 1, 2], [1, 0, 2], [0, 1, 2]])
    np.testing.assert_allclose(aligned.weights[0], np.tile(params.weights, (3, 1)))


def test_refusals():
    with pytest.raises(ValueError, match="exceed low"):
        mx.GaussianWithNoise("full", [0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="shape"):
        mx.GaussianWithNoise("full", [0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="box has 2 features"):
        mx.fit_em(mx.Mixture(mx.GaussianWithNoise("full", *BOX), 2), FAITHFUL[:, 0], key=jax.random.key(0))


def test_noise_that_claims_nothing_is_told_by_its_name():
    """Rows from one normal, noise over a box a thousand times wider: its weight goes to nought."""
    x = np.random.default_rng(3).normal(size=(200, 1))
    model = mx.Mixture(mx.GaussianWithNoise("full", [-1e3], [1e3]), 1)
    fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=2)
    assert float(fit.params.weights[1]) < 1e-6
    assert "Noise has weight" in fit.reason
    assert "Component" not in fit.reason
    np.testing.assert_allclose(fit.params.means[0, 0], x.mean(), atol=1e-6)
