"""Spurious maximisers: named where a component is narrow and has few rows, and nowhere else."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures.data import Data
from mixtures.datasets import load
from tests.models import gaussian
from tests.report import fake

RNG = np.random.default_rng(0)
TRIPLE = np.concatenate([RNG.normal(size=97), 0.5 + 1e-3 * np.arange(3)])[:, None]


def by_groups(x, groups):
    """An EM fit at the groups' own moments."""
    parts = [x[groups == g] for g in np.unique(groups)]
    covariances = np.stack([np.cov(p.T, bias=True).reshape(x.shape[1], -1) for p in parts])
    weights = np.array([len(p) for p in parts]) / len(x)
    params = gaussian(*map(jnp.asarray, (weights, np.stack([p.mean(0) for p in parts]), covariances)), "full")
    model = mx.Mixture(mx.Gaussian("full"), len(parts))
    names = tuple(f"x{d}" for d in range(x.shape[1]))
    return model, fake.em_fit(model, Data(x, names), params)


def test_weights_count_rows_and_labels_give_them_away():
    model, fit = by_groups(TRIPLE, np.arange(100) >= 97)
    doubled = mx.spurious(model, fit, TRIPLE, weights=np.full(100, 2.0))
    assert " of 200 rows (" in doubled[0], "six rows, of which three are distinct"
    elsewhere = np.zeros(100, int)
    assert mx.spurious(model, fit, TRIPLE, labels=elsewhere)[0].startswith("Component 2 claims 0.0 of 100 rows")


def test_three_rows_close_together():
    model, fit = by_groups(TRIPLE, np.arange(100) >= 97)
    (sentence,) = mx.spurious(model, fit, TRIPLE)
    claimed = re.match(r"Component 2 claims ([\d.]+) of 100 rows, ", sentence)
    assert 2.5 < float(claimed[1]) < 3.5
    # The ratio of the two standard deviations, from the data.
    ratio = TRIPLE[:97].std() / TRIPLE[97:].std()
    assert f"1/{ratio:.0f} as wide" in sentence


def test_rows_almost_on_a_line():
    x = RNG.normal(size=(150, 2))
    x[140:, 1] = 2 * x[140:, 0] + 1e-3 * RNG.normal(size=10)
    assert len(mx.spurious(*by_groups(x, np.arange(150) >= 140), x)) == 1
    x[125:, 1] = 2 * x[125:, 0] + 1e-3 * RNG.normal(size=25)
    assert len(mx.spurious(*by_groups(x, np.arange(150) >= 125), x)) == 1
    x[125:, 1] += 0.05 * RNG.normal(size=25)
    assert mx.spurious(*by_groups(x, np.arange(150) >= 125), x) == [], "more rows need a narrower line"
    x[100:, 1] = 2 * x[100:, 0] + 1e-3 * RNG.normal(size=50)
    assert mx.spurious(*by_groups(x, np.arange(150) >= 100), x) == [], "fifty rows on a line are a finding"


def test_equal_rows_count_once():
    x = np.concatenate([RNG.normal(size=70), np.repeat([1.0, 1.001], 15)])[:, None]
    (sentence,) = mx.spurious(*by_groups(x, np.arange(100) >= 70), x)
    assert "(2." in sentence
    assert "distinct ones)" in sentence


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_units_do_not_matter(unit):
    model, fit = by_groups(TRIPLE * unit, np.arange(100) >= 97)
    assert len(mx.spurious(model, fit, TRIPLE * unit)) == 1


def test_honest_fits_are_not_named():
    iris = load("iris").values
    assert mx.spurious(*by_groups(iris, np.repeat(np.arange(3), 50)), iris) == []
    faithful = load("faithful").values
    assert mx.spurious(*by_groups(faithful, faithful[:, 0] > 3), faithful) == []
    acidity = load("acidity").values
    assert mx.spurious(*by_groups(acidity, acidity[:, 0] > 5.3), acidity) == []
    galaxies = load("galaxies").values
    groups = np.digitize(galaxies[:, 0], [15, 28])  # seven, seventy-two and three rows
    assert mx.spurious(*by_groups(galaxies, groups), galaxies) == [], "few rows, but as spread as others"


@pytest.mark.slow
def test_chance_makes_spurious_maxima_and_they_are_named():
    """One normal fitted by two components: the largest maximum says nothing of a second one (Day 1969)."""
    model, named = mx.Mixture(mx.Gaussian("full"), 2), 0
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(100, 2))
        named += bool(
            mx.spurious(model, mx.fit_em(model, x, key=jax.random.key(seed), objective="ml", num_starts=16), x)
        )
    assert named >= 4


def test_one_component_and_no_estimate():
    model, fit = by_groups(TRIPLE, np.zeros(100))
    assert mx.spurious(model, fit, TRIPLE) == []
    model, fit = by_groups(TRIPLE, np.arange(100) >= 97)
    lost = eqx.tree_at(lambda f: f.status_code, fit, jnp.int32(mx.Status.DEGENERATE))
    assert mx.spurious(model, lost, TRIPLE) == []
