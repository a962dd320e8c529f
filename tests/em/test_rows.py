"""Row weights, missing values and known components: each against what it is equal to by definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import mixtures as mx
from mixtures._kernel import log_likelihood
from mixtures.datasets import load

KEY = jax.random.key(0)
MODELS = ["full", "tied", "diagonal", "equal_orientation"]


def holes(x: np.ndarray, share: float = 0.25) -> np.ndarray:
    """The data with values missing at random, none of them in the first column."""
    missing = np.random.default_rng(8).random(x.shape) < share
    missing[:, 0] = False
    return np.where(missing, np.nan, x)


def fitted(x, covariance="full", num_components=2, **settings):
    model = mx.Mixture(mx.Gaussian(covariance), num_components)
    return model, mx.fit_em(model, x, key=KEY, objective="ml", num_starts=8, **settings)


@pytest.mark.slow_but("tied")
@pytest.mark.parametrize("covariance", MODELS)
def test_a_weight_of_two_is_the_row_twice(covariance, blobs):
    counts = 1 + np.arange(len(blobs)) % 3
    _, weighted = fitted(blobs, covariance, weights=counts)
    _, repeated = fitted(np.repeat(blobs, counts, axis=0), covariance)
    assert float(weighted.log_likelihood) == pytest.approx(float(repeated.log_likelihood), abs=1e-6)
    np.testing.assert_allclose(weighted.params.covariances, repeated.params.covariances, rtol=1e-4)


@pytest.mark.slow
def test_weights_reach_the_standard_errors(blobs):
    counts = 1 + np.arange(len(blobs)) % 3
    model, weighted = fitted(blobs, weights=counts)
    ours = mx.standard_errors(model, weighted, blobs, weights=counts)
    theirs = mx.standard_errors(model, weighted, np.repeat(blobs, counts, axis=0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours.values, theirs.values)


@pytest.mark.slow_but("full")
@pytest.mark.parametrize("covariance", MODELS)
def test_missing_values_leave_the_marginal_likelihood(covariance, blobs):
    x = holes(blobs)
    _, fit = fitted(x, covariance)
    params = jax.tree.map(np.asarray, (fit.params.weights, fit.params.means, fit.params.covariances))
    total = 0.0
    for row in x:
        seen = ~np.isnan(row)
        parts = zip(*params, strict=True)
        total += np.log(
            sum(w * multivariate_normal.pdf(row[seen], m[seen], c[np.ix_(seen, seen)]) for w, m, c in parts)
        )
    assert float(fit.log_likelihood) == pytest.approx(total, rel=1e-10)
    assert fit.status.is_estimate


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_gradient_with_missing_values(covariance, blobs):
    """The kernel's derivative rule, against finite differences of the likelihood checked above."""
    model, fit = fitted(holes(blobs), covariance)
    rows = model.prepare(holes(blobs))
    quadratics = model.family.quadratics(fit.params, rows.frame, rows.groups)
    direction = jax.tree.map(
        lambda leaf: jax.random.normal(KEY, leaf.shape) * (jnp.isfinite(leaf) & (leaf != 0)), quadratics
    )

    def along(t):
        return log_likelihood(jax.tree.map(lambda a, b: a + t * b, quadratics, direction), rows)

    slope = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jvp(along, (0.0,), (1.0,))[1], slope, rtol=1e-6)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_imputation_is_the_conditional_expectation(covariance, blobs):
    """Against numerical integration of the mixture's density along the missing coordinate."""
    x = holes(blobs)
    model, fit = fitted(x, covariance)
    values, sd = map(np.asarray, model.impute(fit.params, x))
    seen = ~np.isnan(x)
    np.testing.assert_array_equal(values[seen], x[seen])
    assert not sd[seen].any()
    for row in np.flatnonzero(~seen[:, 1])[:5]:
        grid = np.linspace(-6.0, 0.0, 20_001)
        density = np.exp(model.log_prob(fit.params, np.column_stack([np.full(grid.size, x[row, 0]), grid])))
        mean = (grid * density).sum() / density.sum()
        assert values[row, 1] == pytest.approx(mean, abs=1e-6)
        assert sd[row, 1] == pytest.approx(np.sqrt(((grid - mean) ** 2 * density).sum() / density.sum()), abs=1e-6)


def test_one_component_with_a_monotone_pattern_has_a_closed_form():
    """Anderson (1957): x₂ is regressed on x₁ in the complete rows, and x₁ is described by all rows."""
    x = load("faithful").values.copy()
    x[180:, 1] = np.nan
    _, fit = fitted(x, num_components=1, atol=1e-12)
    complete = x[:180]
    slope = np.cov(complete.T, bias=True)[0, 1] / complete[:, 0].var()
    centre, spread = x[:, 0].mean(), x[:, 0].var()
    mean = complete[:, 1].mean() + slope * (centre - complete[:, 0].mean())
    variance = complete[:, 1].var() + slope**2 * (spread - complete[:, 0].var())
    np.testing.assert_allclose(fit.params.means[0], [centre, mean], rtol=1e-6)
    np.testing.assert_allclose(
        fit.params.covariances[0], [[spread, slope * spread], [slope * spread, variance]], rtol=1e-5
    )


@pytest.mark.slow
def test_rows_that_are_all_known_are_a_discriminant_analysis():
    data = load("iris")
    labels = np.repeat([2, 0, 1], 50)
    _, fit = fitted(data.values, num_components=3, labels=labels)
    for k in range(3):
        own = data.values[labels == k]
        np.testing.assert_allclose(fit.params.means[k], own.mean(axis=0), rtol=1e-8)
        np.testing.assert_allclose(fit.params.covariances[k], np.cov(own.T, bias=True), rtol=1e-6)
    np.testing.assert_allclose(fit.params.weights, 1 / 3, rtol=1e-10)


@pytest.mark.slow
def test_a_few_known_rows_fix_the_numbers_of_the_components():
    data = load("iris")
    truth = np.repeat([2, 0, 1], 50)
    labels = np.where(np.arange(150) % 10 == 0, truth, -1)
    model, fit = fitted(data.values, num_components=3, labels=labels)
    rows = model.prepare(data.values, labels=labels)
    responsibilities = np.asarray(model.responsibilities(fit.params, rows))
    np.testing.assert_array_equal(responsibilities[labels >= 0].argmax(axis=1), labels[labels >= 0])
    assert np.mean(responsibilities.argmax(axis=1) == truth) > 0.9


BAD = {
    "weights too few": ({"weights": np.ones(3)}, r"weights must have shape \(300,\)"),
    "weight zero": (
        {"weights": np.r_[0.0, np.ones(299)]},
        "weights must be positive and finite; 1 are not, first .* rows 0",
    ),
    "weight negative": ({"weights": -np.ones(300)}, "weights must be positive"),
    "weight NaN": ({"weights": np.r_[np.ones(299), np.nan]}, "weights must be positive and finite"),
    "weights text": ({"weights": ["a"] * 300}, "weights must be an array of numbers"),
    "labels too few": ({"labels": np.zeros(2, int)}, r"labels must have shape \(300,\)"),
    "label too large": ({"labels": np.full(300, 2)}, "labels must lie between 0 and 1"),
    "label too small": ({"labels": np.full(300, -2)}, "labels must lie between 0 and 1"),
    "labels not whole": ({"labels": np.zeros(300)}, "labels must be whole numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_weights_and_labels(name, blobs):
    settings, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        fitted(blobs, **settings)


@pytest.mark.slow
def test_rows_and_columns_without_any_value(blobs):
    for where, words in (
        ((slice(None), 1), "no value at all in columns 1"),
        ((5, slice(None)), "no value at all in 1 rows"),
    ):
        x = blobs.copy()
        x[where] = np.nan
        with pytest.raises(ValueError, match=words):
            fitted(x)
    x = blobs.copy()
    x[3, 1] = np.inf
    with pytest.raises(ValueError, match="1 values are infinite, first in rows 3"):
        fitted(x)
