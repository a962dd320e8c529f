"""Information criteria: published values, definitions, and a table of candidates."""

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.datasets import load

KEY = jax.random.key(0)

# mclust's, recomputed to full convergence: covariance model, components, BIC, ICL.
PUBLISHED = [
    ("acidity", "tied", 2, -392.0722, -398.5432),
    ("faithful", "EEE", 3, -2314.2957, None),
    ("iris", "VVV", 2, -574.018, None),
]


@pytest.mark.parametrize(("name", "covariance", "count", "bic", "icl"), PUBLISHED)
def test_published_criteria(name, covariance, count, bic, icl):
    x = load(name).values
    model = mx.Mixture(mx.Gaussian(covariance), count)
    found = mx.criteria(model, mx.fit_em(model, x, key=KEY, objective="ml"), x)
    assert found.bic == pytest.approx(bic, abs=2e-3)
    if icl is not None:
        assert found.icl == pytest.approx(icl, abs=2e-3)


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


def test_a_table_over_components_and_models():
    x = load("faithful").values
    heard = []
    found = mx.select(
        x,
        key=KEY,
        num_components=(2, 3),
        covariances=("EEE",),
        num_starts=8,
        on_candidate=lambda *case: heard.append(case),
    )
    assert (found.best.covariance, found.best.num_components) == ("tied", 3), "as mclust chooses on these data"
    assert heard == [(name, count) for name in ("tied",) for count in (2, 3)]
    table = found.to_frame()
    assert len(table) == 2
    assert list(table["bic"]) == sorted(table["bic"], reverse=True)


def test_one_feature_has_two_models(series):
    found = mx.select(series, key=KEY, num_components=[2], covariances=["full", "tied", "VII", "EII"], num_starts=4)
    assert [c.covariance for c in found.candidates] == ["full", "tied"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"criterion": "dic"}, "criterion must be one of"),
        ({"num_components": [0]}, "num_components must be a whole number of at least 1, got 0"),
        ({"covariances": ["round"]}, "covariance must be one of"),
        ({"covariances": []}, "nothing to select from"),
        ({"key": 1}, "key must be one JAX random key"),
    ],
)
def test_bad_arguments(change, words, series):
    with pytest.raises(ValueError, match=words):
        mx.select(series, **({"key": KEY} | change))
