"""Whether the likelihood is unbounded: rows that are equal, or agree in one feature, under models that let it be."""

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.audit.unbounded import unbounded


@pytest.fixture(scope="module")
def with_zeros():
    """Two groups of two features, and zeros in the second feature of 30 % of the rows."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(6, 1.5, (100, 2))])
    rows[rng.permutation(200)[:60], 1] = 0
    return rows


@pytest.mark.parametrize("covariance", ["tied_spherical", "EEV", "EVE"])
def test_one_volume_for_all_components_bounds_it(covariance):
    tied = np.concatenate([np.zeros((20, 2)), np.random.default_rng(0).normal(size=(30, 2))])
    assert unbounded(tied, mx.Mixture(mx.Gaussian(covariance), 2), None) == []


@pytest.mark.parametrize("covariance", ["spherical", "VEI", "tied"])
def test_one_shape_for_all_components_cannot_be_narrow_in_one_direction(with_zeros, covariance):
    assert unbounded(with_zeros, mx.Mixture(mx.Gaussian(covariance), 2), None) == []


@pytest.mark.slow_but("diagonal")
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_rows_that_agree_in_one_feature_unbound_it(with_zeros, covariance):
    model = mx.Mixture(mx.Gaussian(covariance), 2)
    fit = mx.fit_em(model, with_zeros, key=jax.random.key(0), objective="ml", num_starts=4)
    (finding,) = unbounded(with_zeros, model, fit)
    assert not finding.fault
    assert "60 of 200 rows are equal in feature 2 (0)" in finding.evidence
    told = finding.evidence.split("log-likelihood is ")[1].split(", and")[0].replace("−", "-")
    heights = [float(height) for height in told.split(", ")]
    gain = 0.5 * 60 * np.log(1e3)  # of the sixty rows, for three orders of variance
    assert np.diff(heights) == pytest.approx(gain, rel=0.05)


@pytest.mark.slow
def test_a_right_solution_of_such_rows_is_told_nothing_else(with_zeros):
    fit = mx.fit_em(mx.Mixture(mx.Gaussian("diagonal"), 2), with_zeros, key=jax.random.key(0), objective="ml")
    found = mx.audit(with_zeros, params=fit)
    assert found.codes == ("unbounded-likelihood",)
    assert found.faults == ()
