"""Partition indices against scikit-learn and their own identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, mutual_info_score

import mixtures as mx
from mixtures.bayes.partitions import variation_of_information
from mixtures.compare import partitions
from mixtures.compare.partitions import adjusted_rand_index, clustering, place, total_variation

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


def two_groups(gap):
    """A model, forty rows of two groups, the fit, and itself as draws whose labels are exchanged in turn."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0.0, 1.0, 20), rng.normal(gap, 1.0, 20)])[:, None]
    model = mx.Mixture.for_data(x, 2)
    params = mx.fit_em(model, x, key=jax.random.key(0), num_starts=8).params
    swapped = model.family.permute(params, jnp.array([1, 0]))
    draws = jax.tree.map(lambda a, b: jnp.stack([a, b] * 100)[None], params, swapped)
    return model, x, params, draws


def test_a_certain_partition_lies_at_the_centre():
    """Groups far apart are one partition under every draw, whatever its labels are called."""
    model, x, params, draws = two_groups(30.0)
    found = place(model, x, params, draws, jax.random.key(1))
    assert (found.expected_vi, found.expected_binder, found.distance) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    assert found.inside
    assert found.beyond == 1.0
    assert found.similarity_gap == pytest.approx(0.0, abs=1e-12)
    assert found.reason.startswith("EM's partition lies inside the 95 % credible ball")


def test_a_partition_of_something_else_lies_outside(monkeypatch):
    model, x, params, draws = two_groups(30.0)
    other = mx.Mixture.for_data(x, 2).family.place(params, params.means + jnp.array([[40.0], [40.0]]), jnp.ones(2))
    found = place(model, x, other, draws, jax.random.key(1))
    # All rows in one group: the variation of information from two halves is log 2, and half the pairs differ.
    assert found.expected_vi == pytest.approx(np.log(2))
    assert found.expected_binder == pytest.approx(2 * 20 * 20 / (40 * 39))
    assert not found.inside
    monkeypatch.setattr(partitions, "_MOST_ROWS", 30)
    assert place(model, x, other, draws, jax.random.key(1)).num_rows == 30


def test_errors_are_those_of_draws_that_stay_where_they_are():
    """Draws that put all rows into one group, or the two into two, and change with probability 0.05 a step.

    The distance is then 0 or log 2, and its mean over S steps has variance (log 2)²/4 (1 + 0.9)/(1 − 0.9)/S.
    """
    model, x, params, _ = two_groups(30.0)
    joined = model.family.place(params, params.means + 40.0, jnp.ones(2))
    state = np.cumsum(np.random.default_rng(5).random((4, 500)) < 0.05, axis=1) % 2
    draws = jax.tree.map(lambda *leaves: jnp.stack(leaves)[state], params, joined)
    found = place(model, x, params, draws, jax.random.key(1))
    assert found.expected_vi == pytest.approx(np.log(2) * state.mean())
    exact = np.log(2) / 2 * np.sqrt(19 / 2000)
    assert found.expected_vi_mcse == pytest.approx(exact, rel=0.4)  # independent draws would have a quarter of it
    assert found.expected_binder_mcse == pytest.approx(exact * 2 * 20 * 20 / (40 * 39) / np.log(2), rel=0.4)


def test_responsibilities_are_means_over_draws():
    model, x, params, draws = two_groups(3.0)
    found = clustering(model, model.prepare(x), params, draws, draws)
    own = np.asarray(model.responsibilities(params, x))
    np.testing.assert_allclose(found.map_responsibilities, own)
    np.testing.assert_allclose(found.nuts_responsibilities, 0.5, atol=1e-9)
    np.testing.assert_allclose(found.vi_responsibilities, 0.5, atol=1e-9)
    np.testing.assert_allclose(found.nuts_responsibilities_sd, np.abs(own - 0.5), atol=1e-6)


def test_uncertain_rows_are_expected_to_move():
    """Expected Binder loss of a partition of independent rows: Σ over pairs of what the probabilities say."""
    model, x, params, draws = two_groups(3.0)
    found = place(model, x, params, draws, jax.random.key(2))
    r = np.asarray(model.responsibilities(params, x))
    together, label = r @ r.T, r.argmax(axis=1)
    same = label[:, None] == label
    pairs = np.triu_indices(len(x), 1)
    expected = np.where(same, 1 - together, together)[pairs].mean()
    assert expected > 0.01, "else nothing is uncertain"
    assert abs(found.expected_binder - expected) < 4 * found.expected_binder_mcse
    assert found.least_vi <= found.expected_vi + 4 * found.expected_vi_mcse
    assert found.similarity_gap == pytest.approx(0.0, abs=1e-9)
