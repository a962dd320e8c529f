"""Standard errors against published ones and an independent numerical Hessian, and what they refuse to say."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import mixtures as mx
from mixtures.datasets import load

KEY = jax.random.key(0)

# Data, covariance model, K and objective. Sizes are shared with other tests, so that nothing is compiled twice.
CASES = {
    "acidity": ("acidity", "tied", 2, "ml", 16),
    "faithful": ("faithful", "full", 2, "ml", 16),
    "series": ("timeseries", "full", 3, "map", 64),
}


@cache
def fitted(name):
    data, covariance, num_components, objective, num_starts = CASES[name]
    x = jnp.asarray(load(data).values)
    family = mx.Gaussian(covariance)
    model = mx.Mixture(family, num_components) if objective == "ml" else mx.Mixture.for_data(x, num_components, family)
    return model, x, mx.fit_em(model, x, key=KEY, objective=objective, num_starts=num_starts)


@cache
def errors_of(name):
    model, x, fit = fitted(name)
    return mx.standard_errors(model, fit, x)


def test_acidity_against_published():
    # Observed information of E,2 as published with mclust's bootstrap: π, then both means, then the common variance.
    errors = errors_of("acidity")
    assert not errors.refused
    assert errors.reason == ""
    published = {"weights": [0.0404, 0.0404], "means": [0.0474, 0.0630], "covariances": [0.0223, 0.0223]}
    for key, value in published.items():
        np.testing.assert_allclose(np.ravel(errors.values[key]), value, atol=5.1e-5, err_msg=key)


# An independent Hessian: finite differences of SciPy's log-likelihood in the natural parameters themselves.


class Natural:
    """A flat vector of the free natural parameters: weights but the last, means, and the free covariance entries."""

    def __init__(self, fit, tied):
        self.num_components, self.num_features = fit.params.means.shape
        self.upper = np.triu_indices(self.num_features)
        self.num_matrices = 1 if tied else self.num_components
        entries = np.asarray(fit.params.covariances)[: self.num_matrices, *self.upper]
        self.sizes = np.cumsum([self.num_components - 1, fit.params.means.size])
        self.at = np.concatenate([fit.params.weights[:-1], np.ravel(fit.params.means), np.ravel(entries)])

    def unpack(self, vector):
        weights, means, entries = np.split(vector, self.sizes)
        dense = np.zeros((self.num_matrices, self.num_features, self.num_features))
        dense[:, *self.upper] = entries.reshape(self.num_matrices, -1)
        dense += np.triu(dense, 1).swapaxes(1, 2)
        dense = np.broadcast_to(dense, (self.num_components, *dense.shape[1:]))
        return np.append(weights, 1 - weights.sum()), means.reshape(-1, self.num_features), dense

    def standard_errors(self, covariance):
        variance = np.diag(covariance)
        weights, means, entries = np.split(variance, self.sizes)
        last = covariance[: self.sizes[0], : self.sizes[0]].sum()
        square = np.zeros((self.num_matrices, self.num_features, self.num_features))
        square[:, *self.upper] = entries.reshape(self.num_matrices, -1)
        square += np.triu(square, 1).swapaxes(1, 2)
        return {
            "weights": np.sqrt(np.append(weights, last)),
            "means": np.sqrt(means.reshape(-1, self.num_features)),
            "covariances": np.sqrt(np.broadcast_to(square, (self.num_components, *square.shape[1:]))),
        }


def log_likelihood(x, weights, means, dense):
    each = [w * stats.multivariate_normal(m, c).pdf(x) for w, m, c in zip(weights, means, dense, strict=True)]
    return np.log(np.sum(each, axis=0)).sum()


def log_joint_of_series(x, weights, means, dense):
    """With Fraley and Raftery's default prior for one feature and three components."""
    variances = dense[:, 0, 0]
    lam = np.var(x, ddof=1) / 9
    on_means = stats.norm(x.mean(), np.sqrt(variances / 0.01)).logpdf(means[:, 0]).sum()
    return (
        log_likelihood(x, weights, means, dense) + on_means + stats.invgamma(1.5, scale=lam / 2).logpdf(variances).sum()
    )


def numerical_hessian(function, at, steps):
    size = len(at)
    shifts = np.diag(steps)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            corners = [function(at + a * shifts[i] + b * shifts[j]) * a * b for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * steps[i] * steps[j])
    return hessian


@pytest.mark.parametrize("name", CASES)
def test_against_a_numerical_hessian(name):
    _, x, fit = fitted(name)
    natural = Natural(fit, tied=CASES[name][1] == "tied")
    objective = log_joint_of_series if name == "series" else log_likelihood

    def height(vector):
        return objective(np.asarray(x), *natural.unpack(vector))

    # Steps of 1 % of a standard error, which a first, rough Hessian supplies: truncation and rounding are both small.
    steps = 1e-4 * np.abs(natural.at)
    for _ in range(2):
        covariance = np.linalg.inv(-numerical_hessian(height, natural.at, steps))
        steps = 0.01 * np.sqrt(np.diag(covariance))
    expected, actual = natural.standard_errors(covariance), errors_of(name).values
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(actual[key], value, rtol=2e-3, err_msg=key)


# Refusals: each says why, in words, and gives no number.


def assert_refused(errors, reason):
    assert errors.refused
    assert reason in errors.reason
    assert all(np.isnan(value).all() for value in errors.values.values())
    assert np.isnan(errors.covariance).all()


def altered(**changes):
    """The acidity fit with some parameters replaced."""
    model, x, fit = fitted("acidity")
    sites = model.family.sites(fit.params) | {name: jnp.asarray(value) for name, value in changes.items()}
    fit = eqx.tree_at(lambda f: f.params, fit, model.family.params(sites))
    return mx.standard_errors(model, fit, x)


@pytest.mark.parametrize("weight", [0.0, 1e-13])
def test_a_weight_on_the_boundary_is_refused(weight):
    x = load("acidity").values
    assert_refused(
        altered(weights=[1 - weight, weight], means=[[x.mean()], [x.max()]], covariances=[[x.var()]]),
        "weight is on the boundary",
    )


def test_a_saddle_is_refused():
    # Two identical components: stationary, yet no maximum.
    x = load("acidity").values
    assert_refused(
        altered(weights=[0.5, 0.5], means=[[x.mean()], [x.mean()]], covariances=[[x.var()]]),
        "not positive definite",
    )


def test_a_point_that_is_not_stationary_is_refused():
    centres = fitted("acidity")[2].params.means
    assert_refused(altered(means=centres + 0.1), "not at a stationary point")


def test_no_estimate_no_errors():
    model, x, fit = fitted("acidity")
    nothing = jax.tree.map(lambda leaf: leaf * jnp.nan, (fit.params, fit.log_likelihood, fit.log_joint))
    failed = eqx.tree_at(lambda f: (f.params, f.log_likelihood, f.log_joint), fit, nothing)
    assert_refused(mx.standard_errors(model, failed, x), "no estimate")


@pytest.mark.slow
def test_outer_products_of_too_few_rows_are_refused():
    """Six parameters and six rows whose scores sum to zero: five directions at most, though the maximum is sharp."""
    x = np.array([[0.0, 0.0], [1.0, 0.3], [5.0, 5.0], [6.1, 5.0], [0.2, 1.0], [5.5, 6.1]])
    model = mx.Mixture(mx.Gaussian("EII"), 2)
    fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=8)
    assert model.num_parameters(2) == 6
    assert not mx.standard_errors(model, fit, x, kind="observed").refused
    errors = mx.standard_errors(model, fit, x, kind="opg")
    assert float(errors.smallest_curvature) < 1e-8
    assert "not positive definite" in errors.reason
