"""Information criteria: definitions, and a table of candidates; published values are in test_reference_numbers."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.datasets import load
from mixtures.em.select import covariance_names

KEY = jax.random.key(0)


def test_definitions_for_one_component():
    """One normal: every criterion follows from the sample variance."""
    x = load("acidity").values
    model = mx.Mixture(mx.Gaussian("full"), 1)
    found = mx.criteria(model, mx.fit_em(model, x, key=KEY, objective="ml", num_starts=1), x)
    n = len(x)
    twice = -n * (np.log(2 * np.pi * x.var()) + 1)
    assert found.num_parameters == 2
    assert found.aic == pytest.approx(twice - 4)
    assert found.aicc == pytest.approx(twice - 4 - 2 * 2 * 3 / (n - 3))
    assert found.sabic == pytest.approx(twice - 2 * np.log((n + 2) / 24))
    assert found.icl == pytest.approx(found.bic) == pytest.approx(twice - 2 * np.log(n))


@pytest.mark.slow
def test_a_table_over_components_and_models():
    x = load("faithful").values
    heard = []
    found = mx.select(
        x,
        key=KEY,
        num_components=(2, 3),
        covariances=("EEE",),
        num_starts=8,
        on_progress=lambda *done: heard.append(done),
    )
    assert (found.best.covariance, found.best.num_components) == ("tied", 3), "as mclust chooses on these data"
    assert heard == [(1, 2), (2, 2)]
    assert found.best.code == "EEE"
    table = found.to_frame()
    assert len(table) == 2
    assert list(table["bic"]) == sorted(table["bic"], reverse=True)


def test_one_feature_has_two_models(series):
    found = mx.select(series, key=KEY, num_components=[1], covariances="all", num_starts=4)
    assert {c.covariance for c in found.candidates} == {"full", "tied"}
    assert {c.code for c in found.candidates} == {"E", "V"}


def test_all_means_fourteen_models():
    assert len(covariance_names("all", 2)) == 14
    assert set(covariance_names("all", 1)) == {"full", "tied"}
    assert covariance_names(["VVV", "full", "EEE"], 3) == ["full", "tied"]


def test_a_weight_of_two_is_the_row_twice():
    x = load("acidity").values
    weights = np.where(np.arange(len(x)) < 50, 2, 1)
    model = mx.Mixture(mx.Gaussian("full"), 1)
    fit = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=1, weights=weights)
    found = mx.criteria(model, fit, x, weights)
    twice = np.repeat(x, weights)
    n = len(twice)
    assert found.bic == pytest.approx(-n * (np.log(2 * np.pi * twice.var()) + 1) - 2 * np.log(n))


@pytest.fixture(scope="module")
def plain():
    return mx.select(load("acidity").values, key=KEY, num_components=(1, 2), covariances=["tied"], num_starts=8)


def test_the_best_is_never_silently_spurious(plain):
    one, two = plain.candidates
    flagged = replace(two, spurious=("Component 2 claims 2.0 of 155 rows.",))
    found = replace(plain, candidates=(one, flagged))
    assert plain.best is two
    assert plain.set_aside == ()
    assert found.best is one
    assert found.set_aside == (flagged,)
    assert list(found.to_frame()["spurious"]) == [False, True]
    alone = replace(plain, candidates=(flagged,))
    assert alone.best is flagged, "its sentence goes with it"
    lost = replace(two, bic=np.nan)
    with pytest.raises(ValueError, match="No candidate is an estimate"):
        _ = replace(plain, candidates=(lost,)).best
    assert len(replace(plain, candidates=(lost, one)).to_frame()) == 2


@pytest.mark.slow
def test_cross_validation_as_a_criterion():
    x = load("acidity").values
    found = mx.select(x, key=KEY, num_components=[1], covariances=["full"], criterion="cv", num_folds=5)
    alone = mx.cross_validate(mx.Mixture(mx.Gaussian("full"), 1), x, key=KEY, num_folds=5, objective="ml")
    assert found.best.cv == pytest.approx(alone.mean)
    assert "cv" in found.to_frame()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"criterion": "dic"}, "criterion must be one of"),
        ({"num_components": [0]}, "num_components must be a whole number of at least 1, got 0"),
        ({"covariances": "EVV"}, "covariances must be a list of models, or 'all'; got 'EVV'"),
        ({"covariances": ["round"]}, "covariance must be one of"),
        ({"covariances": []}, "nothing to select from"),
        ({"criterion": "cv", "num_folds": 99}, "num_folds must be at most the number of rows, 50; got 99"),
        ({"key": 1}, "key must be one JAX random key"),
    ],
)
def test_bad_arguments(change, words, series):
    with pytest.raises(ValueError, match=words):
        mx.select(series, **({"key": KEY} | change))
