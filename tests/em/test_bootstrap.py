"""Standard errors of every kind: against published ones, each other, and what they are by definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import mixtures as mx
from mixtures.datasets import load

KEY = jax.random.key(3)
NUM_REPLICATES = 999
# mclust's bootstrap and observed-information standard errors of acidity E,2: weight, means, variance.
PUBLISHED = {"bootstrap": [0.0413, 0.0467, 0.0672, 0.0238], "observed": [0.0404, 0.0474, 0.0630, 0.0223]}


@pytest.fixture(scope="module")
def acidity():
    x = load("acidity").values
    model = mx.Mixture(mx.Gaussian("tied"), 2)
    return model, x, mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16)


def flat(values):
    return np.array([values["weights"][0], *np.ravel(values["means"]), np.ravel(values["covariances"])[0]])


def test_observed_information_is_as_published(acidity):
    np.testing.assert_allclose(flat(mx.standard_errors(*order(acidity)).values), PUBLISHED["observed"], atol=6e-5)


def order(fitted):
    model, x, fit = fitted
    return model, fit, x


def test_bootstrap_agrees_with_the_published_one(acidity):
    ours = mx.bootstrap(*order(acidity), key=KEY, num_replicates=NUM_REPLICATES)
    assert ours.failed == 0
    # Theirs has 999 replicates too: the ratio of two such standard errors has a relative error of 1/√999.
    np.testing.assert_allclose(flat(ours.values), PUBLISHED["bootstrap"], rtol=4 / np.sqrt(NUM_REPLICATES))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weighted", "parametric"])
def test_kinds_agree_where_the_model_is_right(kind):
    """Half a thousand rows of a separated mixture: every bootstrap is near the observed information."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random(500) < 0.4, rng.normal(0, 1, 500), rng.normal(6, 1, 500))
    model = mx.Mixture(mx.Gaussian("tied"), 2)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=8)
    ours = mx.bootstrap(model, fit, x, key=KEY, kind=kind, num_replicates=400)
    np.testing.assert_allclose(flat(ours.values), flat(mx.standard_errors(model, fit, x).values), rtol=0.25)


def test_one_normal_has_closed_forms():
    """Observed: σ²/n and 2σ⁴/n. Scores: n/σ² and Σ((d² − σ²)/2σ⁴)². Sandwich: σ²/n and Σ(d² − σ²)²/n²."""
    x = np.random.default_rng(2).gamma(2.0, size=300)
    model = mx.Mixture(mx.Gaussian("full"), 1)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=1)
    d, variance, n = x - x.mean(), x.var(), len(x)
    fourth = ((d**2 - variance) ** 2).sum()
    expected = {
        "observed": [variance / n, 2 * variance**2 / n],
        "sandwich": [variance / n, fourth / n**2],
    }
    for kind, (of_mean, of_variance) in expected.items():
        values = mx.standard_errors(model, fit, x, kind=kind).values
        np.testing.assert_allclose(values["means"][0, 0] ** 2, of_mean, rtol=1e-6)
        np.testing.assert_allclose(values["covariances"][0, 0, 0] ** 2, of_variance, rtol=1e-6)
    scores = np.stack([d / variance, (d**2 - variance) / (2 * variance**2)])
    inverse = np.linalg.inv(scores @ scores.T)
    values = mx.standard_errors(model, fit, x, kind="opg").values
    np.testing.assert_allclose(values["means"][0, 0] ** 2, inverse[0, 0], rtol=1e-6)
    np.testing.assert_allclose(values["covariances"][0, 0, 0] ** 2, inverse[1, 1], rtol=1e-6)


@pytest.mark.slow
def test_intervals_of_any_function(acidity):
    model, x, fit = acidity
    errors = mx.standard_errors(model, fit, x)

    def difference(params):
        return params.means[1, 0] - params.means[0, 0]

    value, error = errors.of(difference)
    assert float(value) == pytest.approx(float(difference(fit.params)))
    low, high = errors.interval(difference, level=0.9)
    assert float(high - low) == pytest.approx(2 * norm.ppf(0.95) * float(error), rel=1e-9)
    assert float(errors.of(lambda p: p.means[0, 0])[1]) == pytest.approx(float(errors.values["means"][0, 0]), rel=1e-9)
    replicates = mx.bootstrap(model, fit, x, key=KEY, num_replicates=200)
    low, high = replicates.interval(difference, level=0.9)
    draws = np.asarray(replicates.params.means)
    np.testing.assert_allclose([low, high], np.quantile(draws[:, 1, 0] - draws[:, 0, 0], [0.05, 0.95]))


@pytest.mark.slow
def test_labels_follow_the_fit():
    """Components that overlap in location but not in width would be swapped by an order of the means."""
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 0.2, 150), rng.normal(0.02, 3.0, 150)])
    model = mx.Mixture(mx.Gaussian("full"), 2)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=8)
    spread = np.sqrt(np.asarray(mx.bootstrap(model, fit, x, key=KEY, num_replicates=100).params.variances))[..., 0]
    narrow = int(np.argmin(np.asarray(fit.params.variances)))
    assert np.all(spread[:, narrow] < 1)
    assert np.all(spread[:, 1 - narrow] > 1)


@pytest.mark.slow
def test_an_unbounded_likelihood_is_refused(series):
    """Five components for these fifty rows: resampling makes a component collapse more often than not."""
    model = mx.Mixture.for_data(series, 5)
    fit = mx.fit_em(model, series, key=KEY, objective="ml", num_starts=32)
    replicates = mx.bootstrap(model, fit, series, key=KEY, num_replicates=100)
    assert replicates.refused
    assert "gave no estimate" in replicates.reason
    assert all(np.isnan(value).all() for value in replicates.values.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nonparametric", "weighted"])
def test_a_weight_of_two_is_the_row_twice(kind):
    """One normal: the mean's standard error is σ/√n, and for n Dirichlet weights of one σ/√(n + 1), n all copies."""
    x, weights = np.random.default_rng(1).normal(size=60), np.where(np.arange(60) < 20, 3.0, 1.0)
    model = mx.Mixture(mx.Gaussian("full"), 1)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=1, weights=weights)
    found = mx.bootstrap(model, fit, x, key=KEY, kind=kind, num_replicates=2000, weights=weights)
    copies = np.repeat(x, weights.astype(int))
    expected = copies.std() / np.sqrt(len(copies) + (kind == "weighted"))
    assert found.values["means"][0, 0] == pytest.approx(expected, rel=4 / np.sqrt(2 * 2000))


@pytest.mark.slow
def test_gaps_are_kept():
    """One diagonal normal with gaps: every mean has the standard error of the values observed of it."""
    x = np.random.default_rng(2).normal(size=(200, 2))
    x[:120, 1] = np.nan
    model = mx.Mixture(mx.Gaussian("diagonal"), 1)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=1)
    found = mx.bootstrap(model, fit, x, key=KEY, kind="weighted", num_replicates=1000)
    expected = np.nanstd(x, axis=0) / np.sqrt([200, 80])
    # How many rows have a value is random too, which adds a few per cent to the second.
    np.testing.assert_allclose(found.values["means"][0], expected, rtol=4 / np.sqrt(2 * 1000) + 0.02)


@pytest.mark.slow
def test_known_rows_stay_known():
    """All rows known, groups that coincide: two separate normals, whose labels nothing else tells apart."""
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=300), np.repeat([0, 1], [100, 200])
    model = mx.Mixture(mx.Gaussian("full"), 2)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=2, labels=labels)
    found = mx.bootstrap(model, fit, x, key=KEY, num_replicates=1000, labels=labels)
    expected = [x[labels == k].std() / np.sqrt((labels == k).sum()) for k in (0, 1)]
    np.testing.assert_allclose(found.values["means"][:, 0], expected, rtol=4 / np.sqrt(2 * 1000) + 0.02)
    np.testing.assert_allclose(found.values["weights"], np.sqrt(1 / 3 * 2 / 3 / 300), rtol=4 / np.sqrt(2 * 1000))
    with pytest.raises(ValueError, match="kind='parametric' needs complete rows of unknown components"):
        mx.bootstrap(model, fit, x, key=KEY, kind="parametric", labels=labels)


BAD = {
    "kind": ({"kind": "jackknife"}, "kind must be one of 'nonparametric', 'weighted', 'parametric'; got 'jackknife'"),
    "replicates": ({"num_replicates": 1}, "num_replicates must be a whole number of at least 2, got 1"),
    "key": ({"key": 3}, "key must be one JAX random key"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name, acidity):
    change, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        mx.bootstrap(*order(acidity), **({"key": KEY} | change))
    with pytest.raises(ValueError, match="kind must be one of 'observed', 'opg', 'sandwich'"):
        mx.standard_errors(*order(acidity), kind="fisher")
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        mx.standard_errors(*order(acidity)).interval(lambda p: jnp.sum(p.weights), level=1.0)


@pytest.mark.slow
def test_failed_replicates_are_left_out_and_disturb_no_other():
    """Cut short, some replicates give no estimate: they are NaN, and the others are what they are without a limit."""
    x = load("faithful").values
    model = mx.Mixture(mx.Gaussian(), 2)
    fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=4)
    whole, cut = (
        mx.bootstrap(model, fit, x, key=jax.random.key(1), num_replicates=40, max_steps=steps) for steps in (2000, 7)
    )
    sound = np.asarray(cut.status) == mx.Status.CONVERGED
    assert 0 < sound.sum() < 40
    assert cut.failed == 40 - sound.sum()
    assert cut.refused
    assert f"{cut.failed} max steps" in cut.reason
    assert np.isnan(cut.params.means[~sound]).all()
    np.testing.assert_allclose(cut.params.means[sound], whole.params.means[sound])
