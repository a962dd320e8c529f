"""Rows of the parameter table, their intervals and overlap."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import mixtures as mx
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare.agreement import agreement, interval_overlap, plug_in_interval, quantile_interval
from mixtures.families.base import FreeEstimate
from mixtures.labels import Relabelling
from tests.models import gaussian

Z = norm.ppf(0.945)


def free(support):
    return FreeEstimate("any", "any", (0,), support)


def test_intervals_stay_where_parameters_live():
    assert plug_in_interval(free("real"), 1.0, 2.0) == pytest.approx((1 - 2 * Z, 1 + 2 * Z))
    low, high = plug_in_interval(free("positive"), 2.0, 4.0)
    assert 0 < low < 2 < high
    assert low * high == pytest.approx(4.0)  # symmetric in the logarithm
    low, high = plug_in_interval(free("unit interval"), 0.9, 0.2)
    assert 0 < low < 0.9 < high < 1


def test_small_errors_make_the_scale_irrelevant():
    for support in ("real", "positive", "unit interval"):
        np.testing.assert_allclose(
            plug_in_interval(free(support), 0.4, 1e-6), (0.4 - Z * 1e-6, 0.4 + Z * 1e-6), rtol=1e-9
        )


def test_quantiles_of_a_uniform():
    np.testing.assert_allclose(quantile_interval(np.linspace(0, 1, 1001).reshape(7, 143)), (0.055, 0.945), atol=1e-9)


NAN = float("nan")


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ((0.0, 2.0), (1.0, 5.0), 0.2),
        ((0.0, 10.0), (2.0, 3.0), 0.1),
        ((2.0, 3.0), (2.0, 3.0), 1.0),
        ((0.0, 1.0), (2.0, 3.0), 0.0),
        ((NAN, NAN), (0.0, 1.0), NAN),
        ((0.0, 1.0), (NAN, NAN), NAN),
    ],
)
def test_overlap(a, b, share):
    assert interval_overlap(a, b) == pytest.approx(share, nan_ok=True)


def draws_around(model, info, mean, sd, chains):
    """A posterior of one component whose mean has draws of exactly this mean and sd (divisor n − 1)."""
    z = np.random.default_rng(3).normal(size=(chains, 500))
    z = (z - z.mean()) / z.std(ddof=1)
    shape = (chains, 500)
    params = gaussian(
        jnp.ones((*shape, 1)),
        jnp.asarray(mean + sd * z)[..., None, None],
        jnp.full((*shape, 1, 1, 1), 4.0) + z[..., None, None, None],
        "full",
    )
    labels = Relabelling(jnp.zeros((*shape, 1), int), jnp.zeros(()))
    return Posterior(params, jnp.asarray(z), jnp.asarray(z), labels, info, model)


def test_a_row_says_whose_number_is_whose():
    """MAP 1.0 ± 0.5, VI 3 ± 1, NUTS 2 ± 2, so that no two entries of the row could be exchanged unseen."""
    x = np.array([-1.0, 0.0, 3.0, 2.0])
    model = mx.Mixture.for_data(x, 1)
    fit = mx.fit_em(model, x, key=jax.random.key(0), num_starts=1)
    fit = eqx.tree_at(lambda f: f.params.means, fit, jnp.array([[1.0]]))
    errors = mx.standard_errors(model, fit, x)
    errors = eqx.tree_at(lambda e: e.values["means"], errors, jnp.array([[0.5]]))
    zero, flat = jnp.zeros(()), jnp.zeros((2, 500))
    vi_info = VIInfo("full_rank", zero, zero, jnp.zeros(500), jnp.zeros(1), zero, zero)
    nuts_info = NUTSInfo(flat > 0, flat.astype(int), flat, flat, jnp.ones(2))
    vi, nuts = draws_around(model, vi_info, 3.0, 1.0, 1), draws_around(model, nuts_info, 2.0, 2.0, 2)
    rows = agreement(model, fit, errors, vi, nuts, ("y",))
    assert [row.parameter for row in rows] == ["means[1, y]", "covariances[1, y, y]"]  # one weight is not free
    row = rows[0]
    numbers = (row.map, row.se, row.vi_mean, row.vi_sd, row.nuts_mean, row.nuts_sd, row.z, row.vi_z)
    np.testing.assert_allclose(numbers, (1.0, 0.5, 3.0, 1.0, 2.0, 2.0, (1 - 2) / 2, (3 - 2) / 2), rtol=1e-9)
    np.testing.assert_allclose((row.width_ratio, row.vi_width_ratio), (0.25, 0.5), rtol=1e-9)
    np.testing.assert_allclose(row.nuts_mcse, 2.0 / np.sqrt(1000), rtol=0.3)  # independent draws
    # 1 ± 0.5 z lies inside the central 89 % of N(2, 2²), 2 ± 2 z: a quarter of its length
    np.testing.assert_allclose(row.overlap, 0.25, rtol=0.05)
