"""Partition indices against scikit-learn and their own identities."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, mutual_info_score

from mixtures.bayes.partitions import variation_of_information
from mixtures.compare.partitions import adjusted_rand_index, total_variation

RNG = np.random.default_rng(0)
PAIRS = [(RNG.integers(0, a, 60), RNG.integers(0, b, 60)) for a, b in ((2, 2), (3, 5), (1, 4), (60, 2))]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_against_scikit_learn(pair):
    a, b = pair
    np.testing.assert_allclose(adjusted_rand_index(a, b), adjusted_rand_score(a, b), atol=1e-12)
    h_a, h_b = (entropy(np.unique(x, return_counts=True)[1]) for x in pair)
    np.testing.assert_allclose(
        variation_of_information(a, b[None])[0], h_a + h_b - 2 * mutual_info_score(a, b), atol=1e-12
    )


def test_relabelled_partitions_are_identical():
    a = PAIRS[1][0]
    renamed = np.array([7, 1, 4])[a]
    assert adjusted_rand_index(a, renamed) == 1.0
    assert variation_of_information(a, renamed[None])[0] == pytest.approx(0.0, abs=1e-12)


def test_one_group_against_itself():
    assert adjusted_rand_index(np.zeros(5, int), np.zeros(5, int)) == 1.0


def test_total_variation_of_opposites_and_equals():
    p = np.array([[1.0, 0.0], [0.2, 0.8]])
    assert total_variation(p, p) == 0.0
    assert total_variation(p, p[:, ::-1]) == pytest.approx((1.0 + 0.6) / 2)
