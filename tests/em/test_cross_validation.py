"""Cross-validation: against closed forms, separate fits of every training set, and where folds fail."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import mixtures as mx
from mixtures.datasets import load

KEY = jax.random.key(5)
ONE = mx.Mixture(mx.Gaussian("full"), 1)


def one_normal(x, weights, fold):
    """Log density of each row under the normal of all other folds' moments."""
    found = np.empty(len(x))
    for f in np.unique(fold):
        rest = fold != f
        mean = np.average(x[rest], weights=weights[rest])
        variance = np.average((x[rest] - mean) ** 2, weights=weights[rest])
        found[~rest] = norm.logpdf(x[~rest], mean, np.sqrt(variance))
    return found


@pytest.mark.slow_but("50")
@pytest.mark.parametrize("num_folds", [7, 50])
def test_one_normal_has_a_closed_form(series, num_folds):
    """Fifty rows: folds of unequal size, and of one row each."""
    found = mx.cross_validate(ONE, series, key=KEY, num_folds=num_folds, num_starts=1, objective="ml")
    sizes = np.bincount(found.fold)
    assert len(sizes) == num_folds
    assert sizes.max() - sizes.min() <= 1
    expected = one_normal(series, np.ones(50), np.asarray(found.fold))
    np.testing.assert_allclose(found.log_density, expected, rtol=1e-8)
    assert found.mean == pytest.approx(expected.mean())
    assert found.total == pytest.approx(expected.sum())
    assert found.standard_error == pytest.approx(expected.std(ddof=1) / np.sqrt(50))
    assert found.reason == ""


@pytest.mark.slow
def test_a_weight_of_two_is_the_row_twice():
    x, weights = np.random.default_rng(1).normal(size=30), np.where(np.arange(30) < 10, 2.0, 1.0)
    found = mx.cross_validate(ONE, x, key=KEY, num_folds=3, num_starts=1, objective="ml", weights=weights)
    expected = one_normal(x, weights, np.asarray(found.fold))
    np.testing.assert_allclose(found.log_density, expected, rtol=1e-8)
    twice = np.repeat(expected, weights.astype(int))
    assert found.mean == pytest.approx(twice.mean())
    assert found.standard_error == pytest.approx(twice.std(ddof=1) / np.sqrt(40))


@pytest.mark.slow
def test_corrected_scores_are_near_leaving_out_one_row():
    """One normal of two features, over a hundred partitions: four folds lose about d/2(F − 1) = 5/6 nats."""
    x = np.random.default_rng(8).normal(2.0, 3.0, (80, 2))
    others = [np.delete(x, i, axis=0) for i in range(80)]
    exact = sum(
        multivariate_normal.logpdf(row, rest.mean(axis=0), np.cov(rest.T, bias=True))
        for row, rest in zip(x, others, strict=True)
    )
    fit = mx.fit_em(ONE, x, key=KEY, objective="ml", num_starts=1)
    plain, corrected = mean_totals(ONE, x, fit, 4, 100)
    assert plain - exact == pytest.approx(-5 / 6, rel=0.5)
    assert abs(corrected - exact) < abs(plain - exact) / 4


def mean_totals(model, x, fit, num_folds, count):
    """Mean plain and corrected totals over partitions: a single partition's differ by more than the bias."""
    found = [
        mx.cross_validate(
            model,
            x,
            key=jax.random.fold_in(KEY, i),
            fit=fit,
            num_folds=num_folds,
            num_starts=1,
            objective=fit.objective,
        )
        for i in range(count)
    ]
    return np.mean([one.total for one in found]), np.mean([one.corrected.total for one in found])


@pytest.mark.slow
def test_the_correction_is_burmans_with_the_weights_of_the_folds():
    """Folds of eight and seven rows, some of which count twice: by NumPy, from the moments of each training set."""
    x, weights = np.random.default_rng(3).normal(size=23), np.where(np.arange(23) < 6, 2.0, 1.0)
    found = mx.cross_validate(ONE, x, key=KEY, num_folds=3, num_starts=1, objective="ml", weights=weights)
    fold = np.asarray(found.fold)

    def scores(used):
        mean = np.average(x, weights=weights * used)
        return norm.logpdf(x, mean, np.sqrt(np.average((x - mean) ** 2, weights=weights * used)))

    shares = [weights[fold == f].sum() / weights.sum() for f in range(3)]
    average = sum(share * scores(fold != f) for f, share in enumerate(shares))
    expected = one_normal(x, weights, fold) + scores(fold >= 0) - average
    np.testing.assert_allclose(found.corrected.log_density, expected, rtol=1e-6)
    twice = np.repeat(expected, weights.astype(int))
    assert found.corrected.mean == pytest.approx(twice.mean(), rel=1e-6)


@pytest.mark.slow
def test_two_components_are_corrected_towards_leaving_out_one_row():
    rng = np.random.default_rng(4)
    first = rng.random(120) < 0.4
    x = rng.normal(size=(120, 2)) + np.where(first[:, None], [4.0, 0.0], [0.0, 1.0])
    model = mx.Mixture.for_data(x, 2)
    fit = mx.fit_em(model, x, key=KEY, num_starts=8)
    every = mx.cross_validate(model, x, key=KEY, fit=fit, num_folds=120, num_starts=1).total
    plain, corrected = mean_totals(model, x, fit, 4, 60)
    assert plain - every < -1.5, "eleven parameters in four folds lose about 11/6 nats"
    assert abs(corrected - every) < abs(plain - every) / 4


def test_a_fit_that_is_given_is_a_start_of_every_fold(series):
    fit = mx.fit_em(ONE, series, key=KEY, objective="ml", num_starts=1)
    given, anew = (
        mx.cross_validate(ONE, series, key=KEY, fit=fit, num_folds=7, num_starts=1, objective="ml")
        for fit in (fit, None)
    )
    np.testing.assert_allclose(given.log_density, anew.log_density, rtol=1e-8)
    with pytest.raises(ValueError, match="fit must be from fit_em with objective='map'; got one with 'ml'"):
        mx.cross_validate(ONE, series, key=KEY, fit=fit)


@pytest.mark.slow
def test_each_fold_is_the_fit_of_the_others():
    x = load("acidity").values
    model = mx.Mixture(mx.Gaussian("tied"), 2)
    found = mx.cross_validate(model, x, key=KEY, num_folds=5, objective="ml", atol=1e-10, num_starts=3)
    for f in range(2):
        rest = x[np.asarray(found.fold) != f]
        params = mx.fit_em(model, rest, key=KEY, objective="ml", num_starts=8).params
        held_out = np.asarray(model.log_prob(params, x))[np.asarray(found.fold) == f]
        np.testing.assert_allclose(np.asarray(found.log_density)[np.asarray(found.fold) == f], held_out, atol=1e-5)
    one = mx.cross_validate(ONE, x, key=KEY, num_folds=5, objective="ml")
    gap, error = found.minus(one)
    difference = np.asarray(found.log_density - one.log_density)
    assert gap == pytest.approx(difference.mean())
    assert error == pytest.approx(difference.std(ddof=1) / np.sqrt(len(x)))
    assert gap > 3 * error, "acidity has two components"
    with pytest.raises(ValueError, match="same folds"):
        found.minus(eqx.tree_at(lambda c: c.fold, one, one.fold[::-1]))


@pytest.mark.slow
def test_a_fold_without_a_maximum_is_not_averaged():
    piles = jnp.repeat(jnp.array([0.0, 1.0, 2.0, 3.5]), 3)
    found = mx.cross_validate(mx.Mixture(mx.Gaussian("full"), 4), piles, key=KEY, num_folds=3, objective="ml")
    assert found.failed > 0
    assert np.isnan([found.mean, found.total, found.standard_error]).all()
    assert f"{found.failed} of 3 folds gave no estimate" in found.reason
    bad = np.isin(found.status, (mx.Status.CONVERGED, mx.Status.INTERIOR), invert=True)
    assert np.isnan(np.asarray(found.log_density)[bad[np.asarray(found.fold)]]).all()


@pytest.mark.slow
def test_the_default_prior_keeps_folds_bounded(series):
    model = mx.Mixture.for_data(series, 3)
    found = mx.cross_validate(model, series, key=KEY, num_folds=5)
    assert set(found.status.tolist()) == {mx.Status.CONVERGED}
    assert np.isfinite(found.mean)
    unbounded = eqx.tree_at(lambda c: c.status, found, found.status.at[0].set(int(mx.Status.INTERIOR)))
    assert "In 1 of 5 folds a start collapsed" in unbounded.reason
    assert unbounded.mean == found.mean


BAD = {
    "folds": ({"num_folds": 1}, "num_folds must be a whole number of at least 2, got 1"),
    "many folds": ({"num_folds": 51}, "num_folds must be at most the number of rows, 50; got 51"),
    "objective": ({"objective": "loo"}, "objective must be one of 'map', 'ml'"),
    "key": ({"key": 3}, "key must be one JAX random key"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name, series):
    change, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        mx.cross_validate(ONE, series, **({"key": KEY} | change))
