"""Leave-one-out prediction: against exact predictive densities and ArviZ; stacking against another optimiser."""

import arviz as az
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import mixtures as mx
from mixtures.bayes import loo as module

KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def single():
    x = np.random.default_rng(5).normal(3.0, 2.0, 40)
    model = mx.Mixture.for_data(x, 1)
    return x, mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=4000)


def predictive(value, rest, prior):
    """Student-t predictive density of one more normal row (Murphy 2007, eq. 100)."""
    n, kappa, dof = len(rest), float(prior.shrinkage), float(prior.dof)
    centre, mean = float(prior.mean[0]), rest.mean()
    scale = float(prior.scale[0, 0]) + ((rest - mean) ** 2).sum() + kappa * n / (kappa + n) * (mean - centre) ** 2
    location, dof, kappa = (kappa * centre + n * mean) / (kappa + n), dof + n, kappa + n
    return stats.t.logpdf(value, dof, location, np.sqrt(scale * (kappa + 1) / (kappa * dof)))


def test_one_component_has_exact_predictive_densities(single):
    x, posterior = single
    found = mx.loo(posterior, x)
    expected = [predictive(x[i], np.delete(x, i), posterior.model.prior) for i in range(len(x))]
    np.testing.assert_allclose(found.pointwise, expected, atol=0.02)
    assert found.elpd == pytest.approx(sum(expected), abs=0.05)
    assert found.standard_error == pytest.approx(np.std(expected, ddof=1) * np.sqrt(len(x)), rel=0.01)
    assert found.reason == f"Pareto k-hat is at most {found.khat.max():.2f}."


@pytest.mark.slow
def test_same_as_arviz(blobs):
    model = mx.Mixture.for_data(blobs, 3)
    posterior = mx.fit_gibbs(model, blobs, key=KEY, num_warmup=200, num_samples=500)
    found, theirs = mx.loo(posterior, blobs), az.loo(posterior.to_datatree(blobs), pointwise=True)
    # Tails are smoothed over slightly different lengths.
    np.testing.assert_allclose(found.pointwise, theirs.elpd_i.values, atol=0.02)
    assert found.elpd == pytest.approx(float(theirs.elpd), abs=0.1)


@pytest.mark.slow
def test_blocks_and_samples(single, monkeypatch):
    x, posterior = single
    whole = mx.loo(posterior, x)
    jax.clear_caches()
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 7 * posterior.log_joint.size)
    np.testing.assert_allclose(mx.loo(posterior, x).pointwise, whole.pointwise)
    some = mx.loo(posterior, x, key=KEY, max_rows=25)
    assert len(np.unique(some.rows)) == 25
    np.testing.assert_allclose(some.pointwise, whole.pointwise[some.rows])
    assert some.elpd == pytest.approx(40 * some.pointwise.mean())
    assert "From 25 of 40 rows." in some.reason


@pytest.mark.slow
def test_rows_that_cannot_be_left_out_are_named(single):
    far = np.append(single[0], 60.0)
    posterior = mx.fit_gibbs(mx.Mixture.for_data(far, 1), far, key=KEY, num_warmup=100, num_samples=1000)
    found = mx.loo(posterior, far)
    assert found.khat[-1] > 0.7
    assert "Pareto k-hat exceeds 0.7 for 1 rows, worst 40:" in found.reason


def test_stacking_weights_maximise_the_score():
    scores = np.random.default_rng(1).normal(-2.0, 1.0, (3, 50))

    def loss(free):
        weights = np.exp(np.append(free, 0.0))
        return -np.log((weights / weights.sum()) @ np.exp(scores)).sum()

    best = np.exp(np.append(minimize(loss, np.zeros(2), tol=1e-12).x, 0.0))
    np.testing.assert_allclose(module._stacking_weights(scores), best / best.sum(), atol=1e-4)


def test_a_chain_in_a_worse_mode_gets_no_weight(single):
    """One of four chains is moved to where it predicts badly; draws are then those of the others."""
    x, posterior = single
    moved = eqx.tree_at(lambda p: p.params.means, posterior, posterior.params.means.at[2].add(5.0))
    told = jnp.sum(moved.pointwise_log_likelihood(x), axis=-1)
    moved = eqx.tree_at(lambda p: p.log_likelihood, moved, told)
    found = mx.stack_chains(moved, x)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights[2] < 1e-6
    draws = found.resample(moved, KEY, 2000)
    assert float(jnp.max(draws.means)) < 3 + 5
    assert draws.weights.shape == (2000, 1)
    with pytest.raises(ValueError, match="posterior must be draws from"):
        mx.stack_chains(3, x)
