"""Relabelling: it undoes permutations, leaves label-free quantities alone, and admits when labels are arbitrary."""

from itertools import permutations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import mixtures as mx
from mixtures import labels
from mixtures._kernel import rows as blocking
from mixtures.labels import canonical_order
from tests.models import gaussian

relabel = eqx.filter_jit(labels.relabel)
assign = jax.jit(labels.assign)


@pytest.fixture(scope="module")
def draws():
    """Forty jittered draws of a well-separated mixture, in 2 chains of 20, with data."""
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(m, 1.0, 30) for m in (0.0, 8.0, 20.0)])
    model = mx.Mixture.for_data(x, 3)
    params = gaussian(
        jnp.asarray(rng.dirichlet([30, 30, 30], (2, 20))),
        jnp.asarray(np.array([0.0, 8.0, 20.0]) + 0.2 * rng.normal(size=(2, 20, 3)))[..., None],
        jnp.asarray(rng.gamma(30, 1 / 30, (2, 20, 3)))[..., None, None],
        "full",
    )
    return model, model.prepare(x), params


def permute_all(model, params, orders):
    return jax.vmap(jax.vmap(model.family.permute))(params, orders)


@pytest.mark.parametrize("method", labels.METHODS)
def test_permuted_draws_come_back(draws, method):
    model, rows, params = draws
    rng = np.random.default_rng(3)
    orders = jnp.asarray(rng.permuted(np.broadcast_to(np.arange(3), (2, 20, 3)), axis=-1))
    reference = jax.tree.map(lambda leaf: leaf[0, 0], params)
    aligned, report = relabel(model, rows, permute_all(model, params, orders), reference, method)
    for ours, truth in zip(jax.tree.leaves(aligned), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(ours, truth)
    np.testing.assert_array_equal(
        jnp.take_along_axis(orders, report.permutations, axis=-1), np.broadcast_to(range(3), (2, 20, 3))
    )
    assert float(report.ambiguity) < 1e-6


def test_ecr_maximises_agreement_with_the_pivot(draws):
    """Components that overlap: each draw's permutation against a search over all six."""
    model, rows, params = draws
    near = gaussian(params.weights, params.means * 0.1, params.spread["covariances"], "full")
    reference = jax.tree.map(lambda leaf: leaf[0, 0], near)
    _, report = relabel(model, rows, near, reference, "ecr")
    pivot = np.asarray(model.component_responsibilities(reference, rows)).argmax(axis=0)
    for chain, draw in np.ndindex(2, 20):
        one = jax.tree.map(lambda leaf, c=chain, s=draw: leaf[c, s], near)
        allocated = np.asarray(model.component_responsibilities(one, rows)).argmax(axis=0)
        hits = [sum((allocated[pivot == k] == o[k]).sum() for k in range(3)) for o in permutations(range(3))]
        chosen = np.asarray(report.permutations[chain, draw])
        assert sum((allocated[pivot == k] == chosen[k]).sum() for k in range(3)) == max(hits)


@pytest.mark.slow
def test_methods_agree_where_labels_are_plain_and_not_where_they_are_not():
    rng = np.random.default_rng(4)
    far = np.concatenate([rng.normal(m, 1.0, 30) for m in (0.0, 10.0)])
    one = rng.normal(size=60)
    shares = {}
    prior = mx.priors.Conjugate([0.0], [[3.0]], dof=5.0, shrinkage=5.0, concentration=5.0)
    for name, x, model in (
        ("far", far, mx.Mixture.for_data(far, 2)),
        ("one", one, mx.Mixture(mx.Gaussian("tied"), 2, prior)),
    ):
        posterior = mx.fit_gibbs(model, x, key=jax.random.key(1), num_warmup=100, num_samples=200, num_chains=2)
        shares[name] = posterior.label_agreement(x)
        assert shares[name]["stephens"] > 0.99, "nothing is left to do for the method that was used"
    assert set(shares["far"]) == {"stephens", "ecr", "ecr_iterative"}
    assert min(shares["far"].values()) == 1.0
    assert shares["one"]["ecr"] < 0.9
    with pytest.raises(ValueError, match="method must be one of 'stephens', 'ecr', 'ecr_iterative'"):
        posterior.relabelled(one, "median")


def test_switched_share_counts_draws_away_from_their_chains_habit(draws):
    model, rows, params = draws
    orders = np.broadcast_to(np.arange(3), (2, 20, 3)).copy()
    orders[0] = [2, 0, 1]  # a whole chain with other labels has not switched
    orders[1, 15:] = [1, 0, 2]  # five draws of the other have
    reference = jax.tree.map(lambda leaf: leaf[0, 0], params)
    _, report = relabel(model, rows, permute_all(model, params, jnp.asarray(orders)), reference)
    np.testing.assert_allclose(report.switched, 5 / 40)


def test_coinciding_components_are_ambiguous(draws):
    """Two equal components have no labels: the margin is nought and the ambiguity a half."""
    model, rows, params = draws
    doubled = gaussian(
        jnp.full_like(params.weights, 1 / 3),
        params.means.at[..., 1, :].set(params.means[..., 0, :]),
        jnp.ones_like(params.spread["covariances"]),
        "full",
    )
    _, report = relabel(model, rows, doubled, jax.tree.map(lambda leaf: leaf[0, 0], doubled))
    np.testing.assert_allclose(report.ambiguity, 0.5, atol=1e-6)


def test_blocks_change_nothing(draws, monkeypatch):
    model, rows, params = draws
    params = jax.tree.map(lambda leaf: leaf[:, :19], params)
    reference = jax.tree.map(lambda leaf: leaf[0, 3], params)
    whole = relabel(model, rows, params, reference)
    monkeypatch.setattr(blocking, "_CACHE_LIMIT", 7 * rows.num_rows * 3)  # blocks of seven draws, the last of three,
    monkeypatch.setattr(blocking, "_FEWEST_DRAWS", 1)
    monkeypatch.setattr(blocking, "_WHOLE_LIMIT", 10)  # and of forty rows, the last of ten
    monkeypatch.setattr(blocking, "_BLOCK_LIMIT", 10)
    monkeypatch.setattr(blocking, "_FEWEST_ROWS", 40)
    blocked = eqx.filter_jit(lambda *arguments: labels.relabel(*arguments))(model, rows, params, reference)
    jax.tree.map(np.testing.assert_array_equal, whole[0], blocked[0])
    np.testing.assert_allclose(whole[1].ambiguity, blocked[1].ambiguity, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_assignment_and_margin_against_scipy(size):
    costs = np.random.default_rng(size).normal(size=(20, size, size))
    for cost in costs:
        assignment = np.asarray(assign(jnp.asarray(cost)))
        rows, columns = linear_sum_assignment(cost)
        np.testing.assert_array_equal(assignment[rows], columns)
        best = cost[rows, columns].sum()
        swaps = []
        for i in range(size):
            for j in range(i):
                swapped = assignment.copy()
                swapped[[i, j]] = swapped[[j, i]]
                swaps.append(cost[np.arange(size), swapped].sum() - best)
        np.testing.assert_allclose(labels._margin(jnp.asarray(cost[:, assignment])), min(swaps, default=np.inf))


def test_canonical_order_is_by_first_coordinate_then_the_next():
    model = mx.Mixture(mx.Gaussian("spherical"), 3)
    params = gaussian(jnp.ones(3) / 3, jnp.array([[2.0, 0.0], [1.0, 5.0], [1.0, 4.0]]), jnp.ones(3), "spherical")
    assert canonical_order(model, params).tolist() == [2, 1, 0]


@pytest.mark.parametrize("known", ["all", "missing", "labels"])
def test_blocks_of_rows_by_themselves_make_the_whole(known, monkeypatch):
    """Padding apart, whatever is known of the rows."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(70, 2))
    model = mx.Mixture.for_data(x, 3)
    params = gaussian(jnp.array([0.2, 0.3, 0.5]), jnp.asarray(rng.normal(size=(3, 2))), jnp.tile(jnp.eye(2), (3, 1, 1)))
    if known == "missing":
        x[rng.random(70) < 0.3, 1] = np.nan
    given = np.where(rng.random(70) < 0.5, 2, -1) if known == "labels" else None
    for name in ("_WHOLE_LIMIT", "_BLOCK_LIMIT", "_FEWEST_ROWS", "_GROUP_BLOCK"):
        monkeypatch.setattr(blocking, name, 16)
    whole = model.prepare(x, labels=given)
    rows, _ = whole.for_draws(3)
    assert len(rows.blocks) > 3
    assert not rows.is_row().all()
    each = [np.asarray(model.component_responsibilities(params, rows.block(i))) for i in range(len(rows.blocks))]
    found = np.concatenate(each, axis=1)[:, rows.is_row().ravel()]
    expected = np.asarray(model.component_responsibilities(params, whole))
    if whole.groups is not None:
        expected = expected[:, np.argsort(whole.groups.place)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
