"""Parameters held at given values: the same restricted model for every engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

import mixtures as mx
from mixtures.coordinates import Coordinates
from mixtures.datasets import load

NAN = np.nan
WAITING = load("faithful").values[:, 1]
FAITHFUL = load("faithful").values


def waiting_log_likelihood(weights, means, sds):
    return logsumexp(np.log(weights) + norm.logpdf(WAITING[:, None], means, sds), axis=1).sum()


HELD_IN_ONE_DIMENSION = {
    # name: (what is held, a map from free numbers to weights, means and standard deviations, a start)
    "mean": (
        {"means": [50.0, NAN]},
        lambda t: ([1 / (1 + np.exp(-t[0])), 1 / (1 + np.exp(t[0]))], [50.0, t[1]], np.exp(t[2:4])),
        [0.0, 80.0, 1.8, 1.8],
    ),
    "weights": (
        {"weights": [0.4, NAN]},
        lambda t: ([0.4, 0.6], t[:2], np.exp(t[2:4])),
        [54.0, 80.0, 1.8, 1.8],
    ),
    "variance": (
        {"covariances": [NAN, 16.0], "means": [NAN, 81.0]},
        lambda t: ([1 / (1 + np.exp(-t[0])), 1 / (1 + np.exp(t[0]))], [t[1], 81.0], [np.exp(t[2]), 4.0]),
        [0.0, 54.0, 1.8],
    ),
}


@pytest.mark.slow_but("mean")
@pytest.mark.parametrize("name", HELD_IN_ONE_DIMENSION)
def test_maximum_is_that_of_an_optimiser_over_the_free_numbers(name):
    held, unpack, start = HELD_IN_ONE_DIMENSION[name]
    best = minimize(lambda t: -waiting_log_likelihood(*unpack(t)), start, method="BFGS", options={"gtol": 1e-8})
    model = mx.Mixture(mx.Gaussian(), 2).with_fixed(**held)
    fit = mx.fit_em(model, WAITING, key=jax.random.key(0), objective="ml", num_starts=16)
    assert fit.status.is_estimate
    np.testing.assert_allclose(fit.log_likelihood, -best.fun, atol=1e-6)
    weights, means, sds = unpack(best.x)
    np.testing.assert_allclose(fit.params.weights, weights, atol=1e-5)
    np.testing.assert_allclose(fit.params.means[:, 0], means, atol=1e-3)
    np.testing.assert_allclose(np.sqrt(fit.params.variances[:, 0]), sds, atol=1e-3)
    for key, value in held.items():
        given, found = np.array(value), np.asarray(fit.params.weights if key == "weights" else 0)
        found = {"weights": fit.params.weights, "means": fit.params.means, "covariances": fit.params.variances}[key]
        assert (np.isnan(given) | (np.ravel(found) == given)).all()
    assert model.num_parameters(1) == len(start)


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["full", "VEV"])
def test_two_means_held_in_two_dimensions(covariance):
    """The maximum is stationary in every free direction, and EM climbs to it monotonically from any start."""
    means = np.array([[2.0, 54.0], [NAN, NAN], [4.3, 80.0]])
    model = mx.Mixture(mx.Gaussian(covariance), 3).with_fixed(means=means)
    fit = mx.fit_em(model, FAITHFUL, key=jax.random.key(1), objective="ml", num_starts=8)
    assert fit.status.is_estimate
    np.testing.assert_array_equal(fit.params.means[::2], means[::2])
    coordinates = Coordinates.of(model, model.prepare(FAITHFUL).frame)
    gradient = jax.grad(lambda u: model.log_likelihood(coordinates.params(u), FAITHFUL))(coordinates.vector(fit.params))
    assert coordinates.size == model.num_parameters(2) == mx.Mixture(mx.Gaussian(covariance), 3).num_parameters(2) - 4
    assert float(jnp.abs(gradient).max()) < 1e-3


@pytest.mark.slow
def test_holding_the_estimates_changes_nothing():
    model = mx.Mixture.for_data(FAITHFUL, 2)
    free = mx.fit_em(model, FAITHFUL, key=jax.random.key(0), num_starts=8)
    held = model.with_fixed(covariances=free.params.covariances.at[1].set(NAN), weights=free.params.weights)
    fit = mx.fit_em(held, FAITHFUL, key=jax.random.key(1), num_starts=8)
    np.testing.assert_allclose(fit.log_joint, free.log_joint, atol=1e-6)
    np.testing.assert_allclose(fit.params.means, free.params.means, atol=1e-4)


def test_free_weights_share_what_held_ones_leave():
    model = mx.Mixture(mx.Gaussian(), 3).with_fixed(weights=[0.2, NAN, NAN])
    fit = mx.fit_em(model, FAITHFUL, key=jax.random.key(0), objective="ml", num_starts=16)
    assert fit.params.weights[0] == 0.2
    np.testing.assert_allclose(fit.params.weights.sum(), 1.0, atol=1e-12)
    # At a maximum over the free shares, (share of rows claimed) / weight is the same for all of them.
    claimed = model.responsibilities(fit.params, FAITHFUL).sum(axis=0)[1:]
    ratio = claimed / fit.params.weights[1:]
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-4)


def test_standard_errors_are_those_of_the_free_parameters():
    """With means and weights of one component held: inverse information of an independent finite-difference Hessian."""
    held = {"means": [50.0, NAN], "weights": [0.35, 0.65]}
    model = mx.Mixture(mx.Gaussian(), 2).with_fixed(**held)
    fit = mx.fit_em(model, WAITING, key=jax.random.key(0), objective="ml", num_starts=8)
    errors = mx.standard_errors(model, fit, WAITING)
    point = np.array([fit.params.means[1, 0], *fit.params.variances[:, 0]])

    def value(t):
        return waiting_log_likelihood([0.35, 0.65], [50.0, t[0]], np.sqrt(t[1:]))

    step, eye = np.array([1e-3, 1e-2, 1e-2]), np.eye(3)

    def second(i, j):
        a, b = eye[i] * step, eye[j] * step
        four = value(point + a + b) - value(point + a - b) - value(point - a + b) + value(point - a - b)
        return four / (4 * step[i] * step[j])

    hessian = np.array([[second(i, j) for j in range(3)] for i in range(3)])
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    found = [errors.values["means"][1, 0], errors.values["covariances"][0, 0, 0], errors.values["covariances"][1, 0, 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert errors.values["means"][0, 0] == 0
    np.testing.assert_array_equal(errors.values["weights"], 0.0)


@pytest.mark.slow
def test_posterior_of_the_free_parameters():
    """Known weights and covariances: NUTS against a grid over the two free means.

    Each free mean has rows of its own, so that the posterior is one mode and its mirror image (less than 1e-7 of it
    has an empty component) and moments can be compared.
    """
    x = np.concatenate([np.linspace(-2.5, -1.5, 8), np.linspace(0.5, 1.5, 6), np.linspace(2.3, 3.3, 6)])
    model = mx.Mixture.for_data(x, 3).with_fixed(
        weights=[0.4, 0.3, 0.3], covariances=[0.3, 0.3, 0.3], means=[-2.0, NAN, NAN]
    )
    prior = model.prior
    grid = np.linspace(-6, 6, 241)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    mean, kappa = float(prior.mean[0]), float(prior.shrinkage)
    log_joint = norm.logpdf(a, mean, np.sqrt(0.3 / kappa)) + norm.logpdf(b, mean, np.sqrt(0.3 / kappa))
    for value in x:
        parts = [np.full_like(a, np.log(0.4) + norm.logpdf(value, -2.0, np.sqrt(0.3)))]
        parts += [np.log(0.3) + norm.logpdf(value, m, np.sqrt(0.3)) for m in (a, b)]
        log_joint += logsumexp(parts, axis=0)
    p = np.exp(log_joint - log_joint.max())
    p /= p.sum()
    low, high = np.minimum(a, b), np.maximum(a, b)
    nuts = mx.fit_nuts(model, x, key=jax.random.key(0), num_warmup=300, num_samples=1000)
    assert nuts.params.means.shape == (4, 1000, 3, 1)
    np.testing.assert_array_equal(nuts.params.means[..., 0, 0], -2.0)
    draws = np.sort(np.asarray(nuts.params.means[..., 1:, 0]), axis=-1)
    for which, name in enumerate((low, high)):
        expected = (p * name).sum()
        sd = np.sqrt((p * (name - expected) ** 2).sum())
        # Sorted means mix well: at least 400 effective draws of 4,000, and five Monte Carlo errors.
        assert abs(draws[..., which].mean() - expected) < 5 * sd / np.sqrt(400)
        np.testing.assert_allclose(draws[..., which].std(), sd, rtol=0.2)


@pytest.mark.slow
def test_labels_of_held_components_stay():
    """The held component has the largest mean, and keeps the first place."""
    model = mx.Mixture(mx.Gaussian(), 3).with_fixed(means=[80.0, NAN, NAN])
    fit = mx.fit_em(model, WAITING, key=jax.random.key(2), objective="ml", num_starts=16)
    assert fit.params.means[0, 0] == 80.0
    assert fit.params.means[1, 0] < fit.params.means[2, 0]


def test_known_density_of_a_held_model():
    model = mx.Mixture(mx.Gaussian(), 2).with_fixed(
        weights=[0.4, 0.6], means=[[2.0, 54.0], [4.3, 80.0]], covariances=np.stack([np.eye(2), 4 * np.eye(2)])
    )
    fit = mx.fit_em(model, FAITHFUL, key=jax.random.key(0), objective="ml", num_starts=1)
    parts = [
        np.log(w) + multivariate_normal(m, s * np.eye(2)).logpdf(FAITHFUL)
        for w, m, s in ((0.4, [2.0, 54.0], 1.0), (0.6, [4.3, 80.0], 4.0))
    ]
    np.testing.assert_allclose(fit.log_likelihood, logsumexp(parts, axis=0).sum(), rtol=1e-10)
    assert model.num_parameters(2) == 0


WRONG = {
    "partly NaN": ({"means": [[1.0, NAN], [NAN, NAN]]}, "whole component"),
    "too few": ({"means": [[1.0, 2.0]]}, "one entry for each of 2 components"),
    "sum": ({"weights": [0.5, 0.6]}, "sum to 1"),
    "nothing left": ({"weights": [1.0, NAN]}, "leave something"),
    "negative": ({"weights": [-0.2, NAN]}, "positive where held"),
    "unknown": ({"sds": [1.0, NAN]}, "'weights', 'means', 'covariances'"),
    "text": ({"means": ["a", "b"]}, "array of numbers"),
    "infinite": ({"means": [[np.inf, 0.0], [NAN, NAN]]}, "finite"),
    "indefinite": ({"covariances": np.stack([np.array([[1.0, 2.0], [2.0, 1.0]]), np.eye(2)])}, "positive definite"),
    "shape": ({"covariances": np.ones((2, 2))}, r"shape \(K, D, D\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name):
    held, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        mx.Mixture(mx.Gaussian(), 2).with_fixed(**held)


def test_held_values_must_suit_the_data():
    model = mx.Mixture(mx.Gaussian(), 2).with_fixed(means=[[1.0, 2.0, 3.0], [NAN] * 3])
    with pytest.raises(ValueError, match="2 features"):
        mx.fit_em(model, FAITHFUL, key=jax.random.key(0))
    with pytest.raises(ValueError, match="share parts"):
        mx.Mixture(mx.Gaussian("VEV"), 2).with_fixed(covariances=np.stack([np.eye(2)] * 2))


def test_other_values_do_not_recompile():
    """What is held is static, its value is not."""
    count = 0

    @jax.jit
    def density(model, u, x):
        nonlocal count
        count += 1
        rows = model.prepare(x)
        return model.log_likelihood(Coordinates.of(model, rows.frame).params(u), rows)

    for value in (50.0, 51.0):
        model = mx.Mixture(mx.Gaussian(), 2).with_fixed(means=[value, NAN])
        density(model, jnp.zeros(4), jnp.asarray(WAITING))
    assert count == 1


@pytest.mark.slow_but("full", "tied")
@pytest.mark.parametrize("covariance", ["tied", "tied_diagonal", "tied_spherical", "full", "diagonal", "spherical"])
def test_covariances_of_every_shape_may_be_held(covariance):
    """A fit in which everything but the means is held keeps the covariances given."""
    held = {
        "tied": np.diag([0.1, 30.0]),
        "tied_diagonal": np.array([0.1, 30.0]),
        "tied_spherical": np.array(4.0),
        "full": np.stack([np.diag([0.1, 30.0])] * 2),
        "diagonal": np.array([[0.1, 30.0]] * 2),
        "spherical": np.array([4.0, 4.0]),
    }[covariance]
    model = mx.Mixture(mx.Gaussian(covariance), 2).with_fixed(covariances=held)
    fit = mx.fit_em(model, FAITHFUL, key=jax.random.key(0), objective="ml", num_starts=4)
    expected = np.diag([4.0, 4.0]) if "spherical" in covariance else np.diag([0.1, 30.0])
    np.testing.assert_allclose(fit.params.covariances, np.stack([expected] * 2), rtol=1e-6)


@pytest.mark.slow
def test_what_is_held_is_not_freed_by_holding_more():
    with pytest.raises(ValueError, match="already holds its means"):
        mx.Mixture(mx.Gaussian(), 2).with_fixed(means=[1.0, NAN]).with_fixed(weights=[0.5, 0.5])
