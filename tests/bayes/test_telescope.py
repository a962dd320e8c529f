"""Telescoping: partitions have the right probabilities, and the joint distribution stays as it is."""

from functools import partial
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.special import gammaln

import mixtures as mx
from mixtures.bayes.conditionals import conditionals
from mixtures.bayes.telescope import _Chain, _sample, log_partition

KEY = jax.random.key(9)


def partitions(num_rows):
    """Cluster sizes of every partition of so many rows."""
    if num_rows == 0:
        yield []
        return
    for rest in partitions(num_rows - 1):
        for k in range(len(rest)):
            yield [*rest[:k], rest[k] + 1, *rest[k + 1 :]]
        yield [*rest, 1]


@pytest.mark.parametrize("shared", [False, True])
def test_probabilities_of_all_partitions_sum_to_one(shared):
    """Five rows, up to four components: under every K the fifty-two partitions have probability one in all."""
    number = np.arange(1, 5)
    each = jnp.asarray(0.7 / number if shared else np.full(4, 0.7))
    total = np.zeros(4)
    for sizes in partitions(5):
        if len(sizes) <= 4:
            counts = jnp.asarray(sizes + [0] * (4 - len(sizes)), float)
            total += np.exp(np.asarray(log_partition(counts, each)))
    np.testing.assert_allclose(total, 1.0, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_a_step_leaves_the_joint_distribution_as_it_is(shared):
    """K, parameters and rows from the prior: after steps given the rows, K and the parameters are from it still."""
    most, num_cases, num_rows = 4, 4000, 8
    model = mx.Mixture(mx.Gaussian(), most, mx.priors.Hierarchical([0.0], [9.0], [1.0], 3.0, 2.0))
    given, probabilities = conditionals(model, 1), jnp.array([0.4, 0.3, 0.2, 0.1])
    each = 1.5 / jnp.arange(1.0, 5.0) if shared else jnp.full(4, 1.5)

    @jax.jit
    def one(key):
        key_count, key_params, key_weights, key_rows, key_chain = jax.random.split(key, 5)
        count = jax.random.categorical(key_count, jnp.log(probabilities)) + 1
        drawn = jax.random.gamma(key_weights, jnp.broadcast_to(each[count - 1], (most,)))
        drawn = jnp.where(jnp.arange(most) < count, drawn, 0.0)
        params = model.sample_prior(key_params, 1)
        params = eqx.tree_at(lambda p: p.weights, params, drawn / jnp.sum(drawn))
        x = model.sample(params, key_rows, num_rows)[0]
        chain = jax.tree.map(lambda leaf: leaf[None], _Chain(key_chain, params))
        chains, (counts, _, _) = _sample(given, model.prepare(x), x, jnp.log(probabilities), each, chain, 4)
        after = chains.params
        return count, counts[0, -1], summary(params, x), summary(jax.tree.map(lambda leaf: leaf[0], after), x)

    def summary(params, x):
        mean = jnp.sum(params.weights * params.means[:, 0])
        spread = jnp.sum(params.weights * jnp.log(params.variances[:, 0]))
        sizes = jnp.sum(params.weights**2)
        return jnp.array([mean, mean**2, mean * x.mean(), spread, spread**2, spread * jnp.log(x.std()), sizes])

    before, after, *parts = map(np.asarray, jax.lax.map(one, jax.random.split(KEY, num_cases), batch_size=500))
    moved = np.array([(after == k).astype(float) - (before == k) for k in range(1, 5)])
    gain = np.concatenate([moved, (parts[1] - parts[0]).T])
    z = gain.mean(axis=1) / (gain.std(axis=1) / np.sqrt(num_cases))
    assert (before != after).mean() > 0.2
    assert np.abs(z).max() < 4, z.round(1)


@pytest.mark.slow
def test_well_separated_groups_are_counted():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(centre, 1, 40) for centre in (-12, 0, 12)])
    model = mx.Mixture(mx.Gaussian(), 10, mx.priors.fruhwirth_schnatter(x))
    prior = dist.Geometric(0.3)
    found = mx.fit_telescope(
        model, x, key=KEY, prior_on_components=ShiftedByOne(prior), shared=True, num_warmup=500, num_samples=3000
    )
    assert max(found.occupied_distribution.items(), key=lambda cell: cell[1][0])[0] == 3
    assert sum(share for share, _ in found.distribution.values()) == pytest.approx(1.0)
    assert set(found.summaries) == {"num_components", "occupied", "log_likelihood"}


class ShiftedByOne(dist.Distribution):
    """K − 1 has the given distribution."""

    def __init__(self, base):
        self.base = base
        super().__init__((), (), validate_args=False)

    def log_prob(self, value):
        return self.base.log_prob(value - 1)


@pytest.mark.slow
def test_posterior_of_few_rows_by_enumeration():
    """Five rows: P(K) against the sum over all labelled allocations, with each cluster's evidence in closed form."""
    x, most = np.array([-0.3, 0.1, 0.4, 2.9, 3.3]), 3
    prior = mx.priors.Conjugate([1.0], [[2.0]], dof=4.0, shrinkage=0.3)
    model = mx.Mixture(mx.Gaussian(), most, prior)
    found = mx.fit_telescope(model, x, key=KEY, num_warmup=500, num_samples=20_000)
    log_evidence = dict.fromkeys(range(1, most + 1), -np.inf)
    for number in log_evidence:
        for labels in map(np.array, product(range(number), repeat=len(x))):
            sizes = np.bincount(labels, minlength=number)
            # Under a uniform Dirichlet: Γ(K) Π Γ(n_k + 1) / Γ(N + K).
            allocation = gammaln(number) + gammaln(sizes + 1).sum() - gammaln(len(x) + number)
            rows = sum(cluster(x[labels == k], 1.0, 0.3, 4.0, 2.0) for k in set(labels))
            log_evidence[number] = np.logaddexp(log_evidence[number], allocation + rows)
    expected = np.exp(np.array(list(log_evidence.values())))
    expected /= expected.sum()
    for number, share in enumerate(expected, start=1):
        mean, error = found.distribution[number]
        assert abs(mean - share) < 4 * error
    assert found.status is mx.Status.NOT_CONVERGED
    assert "have the most components allowed, 3: raise model.num_components" in found.reason


def cluster(x, mean, shrinkage, dof, scale):
    """Log evidence of rows of one normal: multivariate t (Gelman et al. 2013, section 3.3)."""
    shape = scale / dof * (np.eye(len(x)) + np.ones((len(x), len(x))) / shrinkage)
    return stats.multivariate_t.logpdf(x, np.full(len(x), mean), shape, df=dof)


def test_a_wrong_prior_is_refused(series):
    model = mx.Mixture.for_data(series, 4)
    call = partial(mx.fit_telescope, model, series, key=KEY)
    with pytest.raises(ValueError, match="prior_on_components must be a numpyro Distribution"):
        call(prior_on_components=3)
    with pytest.raises(ValueError, match="prior_on_components must give each of 1, 2"):
        call(prior_on_components=dist.Delta(-1.0))
    with pytest.raises(ValueError, match="concentration must be positive and finite"):
        call(concentration=0.0)
