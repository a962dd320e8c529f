"""Importance-corrected estimates: exact where the posterior is known, refused where weights are useless."""

import jax
import numpy as np
import pytest

import mixtures as mx
from tests.bayes.test_posterior import known_moments

KEY = jax.random.key(3)


@pytest.mark.slow
def test_the_known_posterior_of_one_component():
    x = np.random.default_rng(5).normal(3.0, 2.0, 12)
    model = mx.Mixture.for_data(x, 1)
    vi = mx.fit_vi(model, x, key=KEY, guide="laplace", num_starts=1)
    found = mx.importance_correct(vi)
    # The sd of an estimated sd is at most about that of an estimated mean here, as neither tail is heavy after n = 12.
    for name, (mean, sd) in known_moments(model, x).items():
        assert abs(found.mean[name].item() - mean) < 4 * found.mcse[name].item()
        assert abs(found.sd[name].item() - sd) < 8 * found.mcse[name].item()
    assert abs(np.asarray(vi.params.spread["covariances"]).mean() - known_moments(model, x)["covariances"][0]) > (
        4 * found.mcse["covariances"].item()
    ), "the approximation itself is off, else this shows nothing"
    assert found.weights.sum() == pytest.approx(1.0)
    drawn = found.resample(KEY, 4000)
    mean, sd = known_moments(model, x)["means"]
    assert abs(float(drawn.means.mean()) - mean) < 4 * sd * np.sqrt(1 / 4000 + 1 / found.ess)


@pytest.mark.slow
def test_useless_weights_are_refused(series):
    vi = mx.fit_vi(mx.Mixture.for_data(series, 3), series, key=KEY, guide="mean_field", num_starts=2, num_steps=500)
    found = mx.importance_correct(vi)
    assert found.khat > 0.7
    assert all(np.isnan(v).all() for v in (*found.mean.values(), *found.sd.values(), *found.mcse.values()))
    assert "too far from the posterior to be corrected" in found.reason
    with pytest.raises(ValueError, match="resample needs weights to rely on"):
        found.resample(KEY, 10)


@pytest.mark.slow
def test_draws_that_were_resampled_are_refused(series):
    model = mx.Mixture.for_data(series, 1)
    vi = mx.fit_vi(model, series, key=KEY, guide="pathfinder", num_starts=2, num_samples=100)
    with pytest.raises(ValueError, match="other than 'pathfinder'"):
        mx.importance_correct(vi)
