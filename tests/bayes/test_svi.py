"""Stochastic VI: batches stand for all rows without bias, and end where all rows end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures.bayes.svi import batches

KEY = jax.random.key(11)


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(2000) < 0.4, rng.normal(-2, 1, 2000), rng.normal(2, 0.7, 2000))
    return mx.Mixture.for_data(x, 2), x


@pytest.mark.slow
def test_a_batch_is_unbiased(many):
    model, x = many
    params = mx.fit_em(model, x, key=KEY, num_starts=2).params
    steps = batches(model, jnp.asarray(x)[:, None], KEY, 400, 50)
    values = np.asarray(jax.lax.map(lambda key: model.log_likelihood(params, steps.rows(key)), steps.keys))
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - float(model.log_likelihood(params, x))) < 4 * error


@pytest.mark.slow
def test_batches_end_where_all_rows_end(many):
    """The ELBO of a Gaussian posterior falls by half the squared offset of its mean in posterior sds."""
    model, x = many
    settings = {"key": KEY, "num_starts": 2, "num_samples": 1000}
    reference = mx.fit_em(model, x, key=KEY, num_starts=2).params
    whole = mx.fit_vi(model, x, reference=reference, **settings)
    some = mx.fit_vi(model, x, reference=reference, batch_size=200, num_steps=4000, **settings)
    assert some.status is mx.Status.CONVERGED
    assert float(whole.info.elbo) - 0.5 < float(some.info.elbo) < float(whole.info.elbo) + 0.1
    for a, b in zip(jax.tree.leaves(whole.params), jax.tree.leaves(some.params), strict=True):
        sd = a.std((0, 1))
        assert np.all(abs(a.mean((0, 1)) - b.mean((0, 1))) < sd)
        np.testing.assert_allclose(b.std((0, 1)), sd, rtol=0.2)


def test_wrong_batches_are_refused(many):
    for batch_size, guide, message in (
        (0, "full_rank", "batch_size must be a whole number of at least 1"),
        (2001, "full_rank", "batch_size must be at most the number of rows, 2000; got 2001"),
        (50, "pathfinder", "batch_size must be None for guide='pathfinder'"),
    ):
        with pytest.raises(ValueError, match=message):
            mx.fit_vi(*many, key=KEY, guide=guide, batch_size=batch_size)
