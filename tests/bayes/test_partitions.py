"""Partitions under a posterior: losses by definition, the best of all partitions, and exact similarities."""

import jax
import numpy as np
import pytest
from scipy.special import gammaln
from sklearn.metrics import mutual_info_score, rand_score

import mixtures as mx
from mixtures.bayes import partitions
from tests.bayes.test_telescope import cluster

KEY = jax.random.key(6)
X = np.array([-3.0, -2.4, -2.0, 0.2, 2.1, 2.9])


@pytest.fixture(scope="module")
def posterior():
    """Two groups and a row between them."""
    model = mx.Mixture(mx.Gaussian(), 2, mx.priors.Conjugate([0.0], [[0.4]], dof=4.0, shrinkage=0.1))
    return mx.fit_gibbs(model, X, key=KEY, num_warmup=500, num_samples=5000)


def test_similarity_is_that_of_all_allocations(posterior):
    together, total = np.zeros((6, 6)), 0.0
    for code in range(2**6):
        groups = np.array([code >> i & 1 for i in range(6)])
        parts = [X[groups == k] for k in (0, 1)]
        weight = np.exp(sum(gammaln(len(p) + 1) + (cluster(p, 0.0, 0.1, 4.0, 0.4) if len(p) else 0.0) for p in parts))
        together += weight * (groups[:, None] == groups)
        total += weight
    found = mx.similarity(posterior, X)
    np.testing.assert_allclose(found, together / total, atol=4 * 0.5 / np.sqrt(1000))
    np.testing.assert_array_equal(np.diagonal(found), 1.0)
    drawn = mx.draw_partitions(posterior, X, key=KEY, num_partitions=4000)
    shares = (drawn[:, :, None] == drawn[:, None]).mean(axis=0)
    np.testing.assert_allclose(shares, found, atol=4 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize("loss", partitions.DISTANCES)
def test_losses_are_what_they_are_called(loss):
    rng = np.random.default_rng(0)
    one, others = rng.integers(0, 3, 20), rng.integers(0, 4, (5, 20))
    found = partitions.DISTANCES[loss](one, others)
    for value, other in zip(found, others, strict=True):
        entropy = mutual_info_score(one, one) + mutual_info_score(other, other)
        expected = entropy - 2 * mutual_info_score(one, other) if loss == "vi" else 1 - rand_score(one, other)
        assert value == pytest.approx(expected)


@pytest.mark.parametrize("loss", partitions.DISTANCES)
def test_the_best_of_all_partitions_is_found(posterior, loss):
    """Six rows have 203 partitions."""
    found = mx.point_partition(posterior, X, key=KEY, loss=loss, num_partitions=400)
    drawn = mx.draw_partitions(posterior, X, key=KEY, num_partitions=400)
    every = [partitions.DISTANCES[loss](one, drawn).mean() for one in labelled(6)]
    assert len(every) == 203
    assert found.expected_loss == pytest.approx(min(every))


def test_the_ball_holds_its_share(posterior):
    found = mx.point_partition(posterior, X, key=KEY, level=0.8, num_partitions=400)
    drawn = mx.draw_partitions(posterior, X, key=KEY, num_partitions=400)
    distances = partitions.variation_of_information(found.labels, drawn)
    assert (distances <= found.radius).mean() >= 0.8
    assert (distances < found.radius).mean() <= 0.8
    assert partitions.variation_of_information(found.labels, found.edge[None])[0] == pytest.approx(found.radius)


@pytest.mark.slow
def test_plain_groups_are_found():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [40, 30, 20])
    x = rng.normal(size=90) + 12.0 * truth
    model = mx.Mixture(mx.Gaussian(), 5, mx.priors.fruhwirth_schnatter(x, concentration=0.01))
    draws = mx.fit_gibbs(model, x, key=KEY, num_warmup=300, num_samples=300)
    found = mx.point_partition(draws, x, key=KEY, num_partitions=200)
    np.testing.assert_array_equal(found.labels, truth)
    assert found.num_clusters == 3


def test_bad_arguments(posterior, monkeypatch):
    with pytest.raises(ValueError, match="loss must be one of 'vi', 'binder'"):
        mx.point_partition(posterior, X, key=KEY, loss="rand")
    with pytest.raises(ValueError, match="posterior must be draws from an engine"):
        mx.similarity(3, X)
    monkeypatch.setattr(partitions, "_MOST_ROWS", 3)
    with pytest.raises(ValueError, match=f"x must have at most 3 rows for all pairs to be held; got {len(X)}"):
        mx.similarity(posterior, X)
    with pytest.raises(ValueError, match="num_partitions must be a whole number"):
        mx.draw_partitions(posterior, X, key=KEY, num_partitions=0)


def labelled(num_rows):
    """Every partition as labels in order of appearance."""
    found = [[0]]
    for _ in range(num_rows - 1):
        found = [[*one, k] for one in found for k in range(max(one) + 2)]
    return map(np.array, found)
