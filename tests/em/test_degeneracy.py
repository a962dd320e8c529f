"""Likelihoods without a maximum: collapse is recognised, counted, explained and never returned."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures.datasets import load
from tests.models import gaussian

KEY = jax.random.key(0)
TIED = 44.44571429  # 13 of the 50 values

# mclust 6.0 on the series, K = 3 with its conjugate prior: a local mode.
MCLUST_MODE = gaussian(
    jnp.array([0.301735221001, 0.138760597837, 0.559504181162]),
    jnp.array([[28.6582236655], [41.1198594312], [44.3220597060]]),
    jnp.array([[[18.123892262766]], [[0.820384189677]], [[0.324109427714]]]),
    "full",
)


@cache
def fitted(num_components, objective):
    x = jnp.asarray(load("timeseries").values)
    model = mx.Mixture.for_data(x, num_components)
    return model, x, mx.fit_em(model, x, key=KEY, objective=objective)


def plain_em(x, params, num_steps):
    """Maximum-likelihood EM for one feature in NumPy; returns the log-likelihood reached."""
    w, m, v = (np.array(a).reshape(-1, 1) for a in (params.weights, params.means, params.covariances))
    value = -np.inf
    for _ in range(num_steps):
        log_density = np.log(w) - 0.5 * (np.log(2 * np.pi * v) + (x - m) ** 2 / v)
        row = np.logaddexp.reduce(log_density, axis=0)
        value, r = row.sum(), np.exp(log_density - row)
        n = r.sum(1, keepdims=True)
        w, m = n / len(x), (r @ x)[:, None] / n
        v = np.sum(r * (x - m) ** 2, axis=1, keepdims=True) / n
    return value


def test_series_has_a_largest_interior_maximum():
    fit = fitted(3, "ml")[2]
    assert fit.status is Status.INTERIOR
    assert bool(fit.unbounded)
    # Peers find -114.127, which is a local maximum, or a number that depends on a ridge.
    assert float(fit.log_likelihood) == pytest.approx(-106.1861, abs=1e-3)
    assert np.nanmin(np.abs(np.asarray(fit.starts.objective) + 114.127)) < 1e-3


def test_interior_maximum_attracts():
    _, x, fit = fitted(3, "ml")
    nudged = eqx.tree_at(lambda p: p.spread["covariances"], fit.params, fit.params.spread["covariances"] * 1.2)
    assert plain_em(np.asarray(x)[:, 0], nudged, 2000) == pytest.approx(float(fit.log_likelihood), abs=1e-6)


def test_collapsed_starts_are_counted_and_explained():
    _, _, fit = fitted(3, "ml")
    share = int(fit.collapsed_starts) / 64
    assert 0.10 < share < 0.45
    assert f"{int(fit.collapsed_starts)} of 64 starts ({100 * share:.0f} %) collapsed" in fit.reason
    assert "likelihood is unbounded" in fit.reason
    assert "shrank onto the 13 identical rows with value 44.4457, the first of them row 9" in fit.reason


def test_what_is_said_of_a_collapse_is_so():
    _, x, fit = fitted(3, "ml")
    starts, x = fit.starts, np.asarray(x)
    collapsed = np.flatnonzero(np.asarray(starts.status) == Status.COLLAPSED)
    on_ties = [i for i in collapsed if abs(float(starts.collapse_value[i, 0]) - TIED) < 1e-6]
    assert on_ties
    for i in collapsed:
        row = int(starts.collapse_row[i])
        assert x[row, 0] == float(starts.collapse_value[i, 0])
        assert np.sum(x[:, 0] == x[row, 0]) == int(starts.collapse_ties[i])
        assert 0 <= int(starts.collapse_component[i]) < 3


@pytest.mark.slow
def test_four_components_collapse_more_often():
    three, four = fitted(3, "ml")[2], fitted(4, "ml")[2]
    assert four.status is Status.INTERIOR
    assert int(four.collapsed_starts) > int(three.collapsed_starts)
    assert float(four.log_likelihood) > -101.3166 - 1e-3
    assert float(jnp.min(four.params.covariances)) > 1e-3


def test_map_finds_the_global_mode():
    model, x, fit = fitted(3, "map")
    assert fit.status is Status.CONVERGED
    assert not bool(fit.unbounded)
    assert float(fit.log_likelihood) == pytest.approx(-112.018, abs=1e-2)
    likelihood, local = eqx.filter_jit(lambda p: (model.log_likelihood(p, x), model.log_joint(p, x)))(MCLUST_MODE)
    assert float(likelihood) == pytest.approx(-118.015, abs=1e-3)
    local = float(local)
    assert float(fit.log_joint) > local + 5
    # It is a mode, which some of our own starts end in; it is not the highest.
    assert np.min(np.abs(np.asarray(fit.starts.objective) - local)) < 1e-3


@pytest.fixture(scope="module")
def four_piles():
    """Twelve rows on four values."""
    return jnp.repeat(jnp.array([0.0, 1.0, 2.0, 3.5]), 3)[:, None]


def test_every_start_collapses(four_piles):
    model = mx.Mixture.for_data(four_piles, 4)
    fit = mx.fit_em(model, four_piles, key=KEY, objective="ml", num_starts=16)
    assert fit.status is Status.DEGENERATE
    assert int(fit.collapsed_starts) == 16
    for value in (*jax.tree.leaves(fit.params), fit.log_likelihood, fit.log_joint):
        assert np.all(np.isnan(value))
    assert "no interior maximum was found" in fit.reason
    assert "16 of 16 starts (100 %) collapsed" in fit.reason
    assert "3 identical rows" in fit.reason
    with pytest.raises(RuntimeError, match="Every start collapsed"):
        mx.fit_em(model, four_piles, key=KEY, objective="ml", num_starts=16, throw=True)


def test_a_prior_prevents_it(four_piles):
    fit = mx.fit_em(mx.Mixture.for_data(four_piles, 4), four_piles, key=KEY, num_starts=16)
    assert fit.status is Status.CONVERGED
    assert np.all(np.asarray(fit.params.covariances) > 0)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_single_precision(shift):
    with jax.enable_x64(False):
        x = jnp.asarray(load("timeseries").values + shift)
        assert x.dtype == jnp.float32
        fit = mx.fit_em(mx.Mixture.for_data(x, 3), x, key=KEY, objective="ml")
        assert fit.status is Status.INTERIOR
        assert int(fit.collapsed_starts) > 0
        assert "13 identical rows" in fit.reason
        # Rounding the data to 24 bits, at 1000 to 6e-5, moves the maximum more than the arithmetic does.
        assert float(fit.log_likelihood) == pytest.approx(-106.1861, abs=0.01)
        assert np.all(np.asarray(fit.params.covariances) > 0)
        assert fit.params.covariances.dtype == jnp.float32


def test_single_precision_data_among_double():
    x = load("timeseries").values.astype(np.float32)
    fit = mx.fit_em(mx.Mixture.for_data(x, 3), x, key=KEY, objective="ml")
    assert fit.status is Status.INTERIOR
    assert float(fit.log_likelihood) == pytest.approx(-106.1861, abs=0.01)


@pytest.mark.slow
def test_rows_on_a_line():
    # Twenty rows lie exactly on a line, so a component can flatten onto it without shrinking to a point.
    rng = np.random.default_rng(0)
    along = rng.normal(size=20)
    x = jnp.asarray(np.concatenate([rng.normal(size=(40, 2)), np.c_[4 + along, 2 + 0.5 * along]]))
    fit = mx.fit_em(mx.Mixture.for_data(x, 2), x, key=KEY, objective="ml", num_starts=16)
    assert bool(fit.unbounded)
    assert fit.status in (Status.INTERIOR, Status.DEGENERATE)
    assert int(fit.collapsed_starts) >= 8  # the line is where most starts are drawn
    assert "lost its width around row" in fit.reason


def test_nan_inside_jit_is_never_converged():
    x = jnp.asarray(load("timeseries").values)
    model = mx.Mixture.for_data(x, 2)
    fit = jax.jit(lambda rows: mx.fit_em(model, rows, key=KEY, num_starts=4))(x.at[7, 0].set(jnp.nan))
    assert fit.status is Status.NON_FINITE
    assert set(fit.starts.status.tolist()) == {Status.NON_FINITE}
    assert not bool(fit.unbounded)
    assert np.isnan(float(fit.log_likelihood))
    assert "NaN" in fit.reason


@pytest.mark.slow
def test_many_rows_without_ties_do_not_collapse():
    rng = np.random.default_rng(1)
    x = jnp.asarray(np.concatenate([rng.normal(-2, 1, 1500), rng.normal(2, 0.7, 1000)])[:, None])
    fit = mx.fit_em(mx.Mixture.for_data(x, 2), x, key=KEY, objective="ml", num_starts=16)
    assert not bool(fit.unbounded)
    assert fit.status is Status.CONVERGED
    assert fit.reason.startswith("Converged")
    assert "collapsed" not in fit.reason
    # Within four standard errors of the truth.
    np.testing.assert_allclose(fit.params.weights, [0.6, 0.4], atol=4 * np.sqrt(0.24 / 2500))
    np.testing.assert_allclose(fit.params.means[:, 0], [-2, 2], atol=0.12)


@pytest.mark.slow
def test_an_emptied_component_does_not_end_in_nan():
    """Six rows, three components: under a flat prior of the weights some starts end with one of them empty."""
    x = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0], [9.0, 0.0], [9.0, 0.1]])
    fit = mx.fit_em(mx.Mixture.for_data(x, 3), x, key=jax.random.key(0), num_starts=20)
    assert bool(jnp.isfinite(fit.starts.objective).all())
    assert set(fit.starts.status.tolist()) == {Status.CONVERGED}
