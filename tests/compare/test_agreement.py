"""Intervals and their overlap."""

import numpy as np
import pytest
from scipy.stats import norm

from mixtures.compare.agreement import interval_overlap, plug_in_interval, quantile_interval
from mixtures.families.base import FreeEstimate

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
        ((0.0, 2.0), (1.0, 5.0), 0.5),
        ((0.0, 10.0), (2.0, 3.0), 1.0),
        ((0.0, 1.0), (2.0, 3.0), 0.0),
        ((NAN, NAN), (0.0, 1.0), NAN),
        ((0.0, 1.0), (NAN, NAN), NAN),
    ],
)
def test_overlap(a, b, share):
    assert interval_overlap(a, b) == pytest.approx(share, nan_ok=True)
