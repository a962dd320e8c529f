"""Where EM starts: by name, or from parameters a person has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

import mixtures as mx
from mixtures.datasets import load
from mixtures.starts import STARTS, hierarchical_starts, partition_starts

FAITHFUL = load("faithful").values
KEY = jax.random.key(0)


@pytest.mark.parametrize("start", STARTS)
def test_every_method_reaches_the_known_maximum(start):
    """VVV with two components on old faithful: −1130.264 (mclust, to convergence)."""
    model = mx.Mixture(mx.Gaussian(), 2)
    fit = mx.fit_em(model, FAITHFUL, key=KEY, objective="ml", start=start, num_starts=4)
    assert fit.starts.status.shape == (4,)
    np.testing.assert_allclose(fit.log_likelihood, -1130.264, atol=1e-3)


@pytest.mark.slow
def test_a_fit_started_at_its_own_end_stays_there():
    model = mx.Mixture.for_data(FAITHFUL, 2)
    first = mx.fit_em(model, FAITHFUL, key=KEY, num_starts=4)
    again = mx.fit_em(model, FAITHFUL, key=KEY, start=first.params)
    assert again.starts.status.shape == (1,)
    assert int(again.num_steps) <= 4
    np.testing.assert_allclose(again.log_joint, first.log_joint, atol=1e-8)
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), first.params)
    assert mx.fit_em(model, FAITHFUL, key=KEY, start=several).starts.status.shape == (2,)


def test_the_first_hierarchical_start_is_wards_partition():
    """Means of the groups that scipy's linkage of the standardised rows gives; weights are their shares."""
    model = mx.Mixture(mx.Gaussian(), 3)
    start = hierarchical_starts(model, jnp.asarray(FAITHFUL), KEY, 1)
    z = (FAITHFUL - FAITHFUL.mean(axis=0)) / FAITHFUL.std(axis=0)
    groups = fcluster(linkage(z, "ward"), 3, "maxclust")
    expected = sorted(FAITHFUL[groups == k].mean(axis=0).tolist() for k in (1, 2, 3))
    np.testing.assert_allclose(sorted(start.means[0].tolist()), expected, rtol=1e-9)
    np.testing.assert_allclose(np.sort(start.weights[0]), np.sort(np.bincount(groups)[1:]) / len(z), rtol=1e-9)


def test_random_partitions_lie_near_the_middle():
    """A group's mean is that of about N/K random rows: within five of its standard errors."""
    model = mx.Mixture(mx.Gaussian("diagonal"), 3)
    start = partition_starts(model, jnp.asarray(FAITHFUL), KEY, 50)
    error = FAITHFUL.std(axis=0) / np.sqrt(len(FAITHFUL) / 3)
    assert (np.abs(start.means - FAITHFUL.mean(axis=0)) < 5 * error).all()
    np.testing.assert_allclose(start.weights.sum(axis=1), 1.0)
    assert (np.ptp(start.means, axis=1) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["partitions", "hierarchical"])
def test_small_groups_do_not_start_singular(start):
    """Six rows for three components in two dimensions."""
    x = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0], [9.0, 0.0], [9.0, 0.1]])
    model = mx.Mixture.for_data(x, 3)
    fit = mx.fit_em(model, x, key=KEY, start=start, num_starts=2)
    assert fit.status.is_estimate
    assert bool(jnp.isfinite(fit.starts.objective).all())


WRONG = {
    "name": ("kmeans", "'mixed', 'kmeans\\+\\+', 'rows', 'partitions', 'hierarchical'"),
    "shape": (
        mx.Gaussian().params({"weights": jnp.ones(3) / 3, "means": jnp.zeros((3, 2)), "covariances": jnp.ones(3)}),
        "shape",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name):
    start, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        mx.fit_em(mx.Mixture(mx.Gaussian(), 2), FAITHFUL, key=KEY, start=start)


def test_hierarchical_starts_are_not_for_traced_data():
    model = mx.Mixture(mx.Gaussian(), 2)
    with pytest.raises(ValueError, match="not available inside"):
        jax.jit(lambda x: mx.fit_em(model, x, key=KEY, start="hierarchical").log_likelihood)(jnp.asarray(FAITHFUL))
