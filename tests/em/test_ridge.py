"""The profile of a likelihood against a floor under variances."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures._kernel import Frame
from mixtures._status import Status
from mixtures.em.places import places
from mixtures.em.ridge import FLOORS
from mixtures.families import Fixed, Moments
from mixtures.priors.floor import Floor

KEY = jax.random.key(0)
PLANE = np.random.default_rng(0).normal(size=(20, 2))
CONJUGATE = ("full", "diagonal", "tied", "spherical", "tied_diagonal", "tied_spherical")


@pytest.fixture(scope="module")
def fit_of_series(series):
    return mx.fit_em(mx.Mixture(mx.Gaussian(), 3), series, key=KEY, objective="ml")


@pytest.fixture(scope="module")
def profile(series, fit_of_series):
    """The profile of the series for any fit and weights, at the usual floors and one wider than the data."""
    wide = (np.ptp(series) / 2) ** 2 / series.var()

    def make(fit=fit_of_series, **changes):
        floors = np.append(FLOORS, wide)
        return mx.floor_profile(mx.Mixture(mx.Gaussian(), 3), series, key=KEY, fit=fit, floors=floors, **changes)

    return make


@pytest.fixture(scope="module")
def of_series(profile):
    return profile()


def clipped_em(x, num_components, floor, num_starts=1000, num_steps=200):
    """Best log-likelihood by EM with variances clipped at `floor`, in NumPy, from rows and widths at random."""
    rng = np.random.default_rng(1)
    m = rng.choice(x, (num_starts, num_components, 1))
    v = floor * np.exp(rng.uniform(0, np.log(x.var() / floor), m.shape))
    w = np.full(m.shape, 1 / num_components)
    for _ in range(num_steps):
        log_density = np.log(w) - 0.5 * (np.log(2 * np.pi * v) + (x - m) ** 2 / v)
        row = np.logaddexp.reduce(log_density, axis=1, keepdims=True)
        r = np.exp(log_density - row)
        n = np.maximum(r.sum(2, keepdims=True), 1e-300)
        w, m = n / len(x), (r @ x)[:, :, None] / n
        v = np.maximum(floor, np.sum(r * (x - m) ** 2, axis=2, keepdims=True) / n)
    return row.sum(axis=(1, 2)).max()


@pytest.mark.slow_but("18")
@pytest.mark.parametrize("place", [0, 8, 18, 25, 30])
def test_an_independent_em_with_clipping_finds_the_same(of_series, series, place):
    floor = float(of_series.floors[place]) * series.var()
    assert float(of_series.log_likelihood[place]) == pytest.approx(clipped_em(series, 3, floor), abs=2e-3)


def test_the_series_has_a_plateau_at_its_interior_maximum(of_series):
    assert float(of_series.interior) == pytest.approx(-106.186, abs=1e-3)
    low, high, height = of_series.plateau
    assert height == float(of_series.interior)
    assert low == of_series.crossing
    inside = (of_series.floors > low) & (of_series.floors < high)
    assert int(jnp.sum(inside)) >= 2
    np.testing.assert_allclose(of_series.log_likelihood[inside], float(of_series.interior), atol=1e-3)
    assert float(of_series.log_likelihood[of_series.floors > 2 * high].max()) < -106.2
    assert bool(jnp.all(of_series.converged))
    assert "the answer does not depend on the floor" in of_series.sentences[0]


def test_the_curve_never_falls_with_the_floor_and_climbs_by_half_the_tied_rows(of_series):
    assert bool(jnp.all(jnp.diff(of_series.log_likelihood) <= 0))
    # Two components sit on the 13 and the 5 equal rows; the third must cover all others.
    assert of_series.per_decade / np.log(10) == pytest.approx(18 / 2, abs=0.01)
    assert f"{9 * np.log(10):.1f} nats" in of_series.sentences[-1]


def test_under_a_floor_wider_than_the_data_components_are_one(of_series, series):
    # With a kernel whose sd is half the range the best mixing distribution is a single point (Lindsay 1983).
    v, n = float(of_series.floors[-1]) * series.var(), len(series)
    expected = -n / 2 * (np.log(2 * np.pi * v) + series.var() / v)
    assert float(of_series.log_likelihood[-1]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_a_shared_variance_has_a_maximum(series):
    model = mx.Mixture(mx.Gaussian("tied"), 3)
    fit = mx.fit_em(model, series, key=KEY, objective="ml")
    found = mx.floor_profile(model, series, key=KEY, fit=fit)
    free = found.floors < found.interior_variance
    np.testing.assert_allclose(found.log_likelihood[free], float(fit.log_likelihood), atol=1e-4)
    assert found.crossing is None
    assert float(found.log_likelihood[-1]) < float(fit.log_likelihood) - 1


def test_a_weight_of_two_is_the_row_twice(of_series, profile):
    twice = profile(weights=np.full(50, 2.0))
    np.testing.assert_allclose(twice.log_likelihood, 2 * of_series.log_likelihood, atol=1e-2)


def test_without_an_interior_maximum_the_curve_is_the_same(of_series, profile, fit_of_series):
    nothing = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), fit_of_series.params)
    fit = replace(fit_of_series, params=nothing, status_code=jnp.int32(Status.DEGENERATE))
    found = profile(fit)
    np.testing.assert_allclose(found.log_likelihood, of_series.log_likelihood, atol=1e-2)
    assert np.isnan(float(found.interior))
    assert found.crossing is None
    assert found.plateau is None
    assert "No interior maximum was reached" in found.sentences[0]
    # What the fit did not find turns up among the maxima of its own.
    assert found.other_plateaus[0].log_likelihood == pytest.approx(-106.186, abs=1e-3)


@pytest.mark.slow
def test_missing_values():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(30, 2)), rng.normal(4, 0.5, size=(20, 2))])
    x[:6] = x[0]
    x[40, 0] = np.nan
    found = mx.floor_profile(mx.Mixture(mx.Gaussian(), 2), x, key=KEY)
    # A component that vanishes in both directions on six rows: 6 · 2/2 nats an e-fold.
    assert found.per_decade / np.log(10) == pytest.approx(6.0, abs=0.01)
    assert found.plateau is not None
    inside = (found.floors > found.plateau.low) & (found.floors < found.plateau.high)
    np.testing.assert_allclose(found.log_likelihood[inside], float(found.interior), atol=1e-3)


@pytest.mark.parametrize("covariance", CONJUGATE)
def test_m_step_under_a_floor_is_optimal(covariance):
    """No feasible spread has a larger expected log-likelihood; for matrices also by the optimality conditions."""
    rng = np.random.default_rng(5)
    scale, least, counts = np.array([10.0, 0.1, 1.0]), 0.3, np.array([20.0, 7.0])
    half = rng.normal(size=(2, 3, 3)) * np.array([1.0, 0.2, 0.05])
    scatter = counts[:, None, None] * (half @ half.swapaxes(1, 2)) * scale[:, None] * scale
    family = mx.Gaussian(covariance)
    model, frame = family.model, Frame(jnp.zeros(3), jnp.asarray(scale))
    means = jnp.asarray(rng.normal(size=(2, 3)))
    kept = scatter if model.cross_products else np.diagonal(scatter, axis1=1, axis2=2)
    moments = Moments(jnp.asarray(counts), means, jnp.asarray(kept))
    start = family.params({"weights": jnp.ones(2) / 2, "means": means, **model.widest(2, 3)})
    best = family.closed_form_m_step(Floor(least, scale), Fixed.nothing(), moments, start)
    assert float(jnp.min(family.least_variances(best, frame))) >= least * (1 - 1e-9)

    def height(spread):
        return float(
            family.expected_log_density(family.params({"weights": best.weights, "means": means, **spread}), moments)
        )

    for size in (0.01, 0.1, 1.0):
        for _ in range(40):
            other = _feasible_neighbour(best.spread["covariances"], size, rng, least, scale)
            assert height({"covariances": other}) <= height(best.spread) + 1e-9
    if model.cross_products:
        # With A = S⁻¹, maximise n log|A| − tr(AW) for A ≼ I/c: nS − W is the multiplier, positive and complementary.
        total, dof = model.pool(moments.scatter, moments.counts)
        unit = scale[:, None] * scale
        s = np.asarray(best.spread["covariances"]) / unit
        multiplier = np.asarray(dof) * s - np.asarray(total) / unit
        assert np.linalg.eigvalsh(multiplier).min() > -1e-9
        slack = np.eye(3) / least - np.linalg.inv(s)
        np.testing.assert_allclose(multiplier @ slack, 0.0, atol=1e-8)


def _feasible_neighbour(blocks, size, rng, least, scale):
    """Blocks near the given ones that keep the floor."""
    blocks = np.asarray(blocks)
    if blocks.ndim >= 2 and blocks.shape[-1] == blocks.shape[-2] == 3:
        turn = np.eye(3) + size * rng.normal(size=blocks.shape)
        moved = turn @ (blocks / (scale[:, None] * scale)) @ turn.swapaxes(-1, -2)
        values, axes = np.linalg.eigh(moved)
        held = (axes * np.maximum(values, least)[..., None, :]) @ axes.swapaxes(-1, -2)
        return jnp.asarray(held * scale[:, None] * scale)
    wide = scale**2 if blocks.shape and blocks.shape[-1] == 3 else np.max(scale**2)
    return jnp.asarray(np.maximum(blocks * np.exp(size * rng.normal(size=blocks.shape)), least * wide))


def test_places_are_those_that_climb_fastest():
    x = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 1.0], [5.0, 2.0], [5.0, 3.0], [5.0, 9.0], [7.0, 4.0]])
    found = places(x, np.ones(8), 2, independent=False)
    # Three equal rows count 3 · 2, four that agree in one feature 4 · 1.
    np.testing.assert_array_equal(found.counts, [3.0, 4.0])
    np.testing.assert_array_equal(found.means[0], [0.0, 0.0])
    assert float(found.means[1, 0]) == 5.0
    assert float(found.scatter[1, 0, 0]) == 0.0
    assert float(found.scatter[1, 1, 1]) == pytest.approx(np.var([1.0, 2, 3, 9]) * 4)
    lone = places(np.array([[0.0], [1.0], [1.1], [5.0]]), np.ones(4), 1, independent=True)
    assert (float(lone.counts[0]), float(lone.means[0, 0])) == (2.0, pytest.approx(1.05))


@pytest.mark.slow
def test_single_precision(of_series, series):
    with jax.enable_x64(False):
        found = mx.floor_profile(mx.Mixture(mx.Gaussian(), 3), series, key=KEY, floors=FLOORS[4:])
        assert found.log_likelihood.dtype == jnp.float32
    # Data of 24 bits: the rows' distances are good to 1e-7 of their sd, the narrowest width is 3e-4 of it.
    np.testing.assert_allclose(found.log_likelihood, of_series.log_likelihood[4:31], atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"floors": [1e-3]}, "at least two different numbers"),
        ({"floors": [0.0, 1e-3]}, "at least two different numbers of 1e-09 or more"),
        ({"num_starts": 0}, "num_starts must be a whole number"),
        (
            {"model": mx.Mixture(mx.Gaussian("VEV"), 2), "x": np.random.default_rng(0).normal(size=(20, 2))},
            "no exact step",
        ),
    ],
)
def test_wrong_arguments(arguments, message, series):
    arguments = {"model": mx.Mixture(mx.Gaussian(), 2), "x": series, "key": KEY} | arguments
    with pytest.raises(ValueError, match=message):
        mx.floor_profile(arguments.pop("model"), arguments.pop("x"), **arguments)


def test_not_for_map_fits_or_traced_data(fit_of_series, series):
    model = mx.Mixture(mx.Gaussian(), 3)
    with pytest.raises(ValueError, match=r"fit must be from fit_em with objective='ml'; got one with 'map'"):
        mx.floor_profile(model, series, key=KEY, fit=replace(fit_of_series, objective="map"))
    with pytest.raises(ValueError, match="not available inside a transformation"):
        jax.jit(lambda rows: mx.floor_profile(model, rows, key=KEY).floors)(jnp.asarray(series))
