"""Monte Carlo distances against closed forms and quadrature."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import mixtures as mx
from mixtures.compare.densities import (
    hellinger,
    kl_divergence,
    log_densities,
    plug_in_curves,
    predictive_curves,
    wasserstein,
)
from tests.models import gaussian


def normal(mean, sd):
    return gaussian(jnp.ones(1), jnp.array([[mean]]), jnp.array([[[sd**2]]]), "full")


def stack(*params):
    """Draws of one chain."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves)[None], *params)


def pair(first, second, model=None):
    """Two predictives as `hellinger` and `kl_divergence` take them."""
    return log_densities(MODEL if model is None else model, (first, second), KEY)


MODEL = mx.Mixture(mx.Gaussian(), 1)
KEY = jax.random.key(0)


@pytest.mark.parametrize(("shift", "sd"), [(0.5, 1.0), (2.0, 1.0), (1.0, 3.0)])
def test_hellinger_of_two_normals(shift, sd):
    """H² = 1 − √(2 σ τ / (σ² + τ²)) exp(−δ² / 4(σ² + τ²))."""
    exact = np.sqrt(1 - np.sqrt(2 * sd / (1 + sd**2)) * np.exp(-(shift**2) / (4 * (1 + sd**2))))
    distance, error = hellinger(*pair(normal(0.0, 1.0), stack(normal(shift, sd))))
    assert error < 0.02
    assert abs(distance - exact) < 4 * error


def test_hellinger_to_a_predictive_by_quadrature():
    draws = stack(*(normal(-1.0, 1.0), normal(2.0, 0.5), normal(0.0, 2.0)) * 10)
    grid = np.linspace(-15, 15, 20001)
    p = norm.pdf(grid, 0.3, 1.2)
    q = (norm.pdf(grid, -1.0, 1.0) + norm.pdf(grid, 2.0, 0.5) + norm.pdf(grid, 0.0, 2.0)) / 3
    exact = np.sqrt(1 - np.trapezoid(np.sqrt(p * q), grid))
    distance, error = hellinger(*pair(normal(0.3, 1.2), draws))
    assert abs(distance - exact) < 4 * error


def test_a_density_is_at_no_distance_from_itself():
    distance, _ = hellinger(*pair(normal(1.0, 2.0), stack(normal(1.0, 2.0))))
    assert distance < 1e-6


@pytest.mark.slow
def test_distance_does_not_depend_on_labels(blobs):
    model = mx.Mixture.for_data(blobs, 2)
    fit = mx.fit_em(model, blobs, key=KEY, num_starts=4)
    swapped = model.family.permute(fit.params, jnp.array([1, 0]))
    assert hellinger(*pair(fit.params, stack(swapped, fit.params), model))[0] < 1e-6


def test_marginal_curves_are_densities_and_average_the_draws():
    params = gaussian(
        jnp.array([0.3, 0.7]),
        jnp.array([[0.0, 1.0], [4.0, -1.0]]),
        jnp.array([[[1.0, 0.5], [0.5, 2.0]], [[0.5, 0.0], [0.0, 1.0]]]),
        "full",
    )
    model = mx.Mixture(mx.Gaussian(), 2)
    grid = jnp.tile(jnp.linspace(-12.0, 14.0, 2001), (2, 1))
    curves = plug_in_curves(model, params, grid)
    np.testing.assert_allclose(np.trapezoid(curves, grid, axis=1), 1.0, atol=1e-6)
    by_hand = 0.3 * norm.pdf(grid[1], 1.0, np.sqrt(2.0)) + 0.7 * norm.pdf(grid[1], -1.0, 1.0)
    np.testing.assert_allclose(curves[1], by_hand, rtol=1e-9)
    shifted = eqx.tree_at(lambda p: p.means, params, params.means + 1.0)
    means, bands = predictive_curves(model, stack(params, shifted), grid)
    np.testing.assert_allclose(means, (curves + plug_in_curves(model, shifted, grid)) / 2, rtol=1e-9)
    assert bool((bands[:, 0] <= means + 1e-12).all() and (bands[:, 1] >= means - 1e-12).all())


@pytest.mark.parametrize(("shift", "sd"), [(0.5, 1.0), (1.0, 1.5)])
def test_divergence_of_two_normals(shift, sd):
    """KL(N(δ, τ²) ‖ N(0, 1)) = (τ² + δ² − 1)/2 − log τ."""
    exact = (sd**2 + shift**2 - 1) / 2 - np.log(sd)
    found, error = kl_divergence(*pair(normal(0.0, 1.0), stack(normal(shift, sd))))
    assert error < 0.1
    assert abs(found - exact) < 4 * error


def test_wasserstein_distance_of_normals():
    """A shift by δ moves all mass by δ; a change of scale moves it by |τ − 1| E|z|. The error is that of the draws."""
    grid = jnp.linspace(-15.0, 15.0, 4001)[None]
    shifted, _ = wasserstein(MODEL, normal(0.0, 1.0), stack(normal(0.7, 1.0)), grid)
    assert shifted.item() == pytest.approx(0.7, abs=1e-4)
    wider, _ = wasserstein(MODEL, normal(0.0, 1.0), stack(normal(0.0, 1.6)), grid)
    assert wider.item() == pytest.approx(0.6 * np.sqrt(2 / np.pi), abs=1e-4)


def chains(rng, correlation, sd):
    """Forty draws each of four stationary first-order autoregressions about nought."""
    z = np.empty((4, 40))
    z[:, 0] = rng.normal(size=4)
    for t in range(1, 40):
        z[:, t] = correlation * z[:, t - 1] + np.sqrt(1 - correlation**2) * rng.normal(size=4)
    return sd * z


def means_at(centres):
    """Normals of unit variance with these means, as draws."""
    ones = jnp.ones((*centres.shape, 1))
    return gaussian(ones, jnp.asarray(centres)[..., None, None], ones[..., None, None], "full")


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.85])
def test_errors_are_those_of_few_draws_that_depend_on_each_other(correlation):
    """Means drawn from N(1, 0.4²): the predictive is N(1, 1.16), whose distances from N(0, 1) have closed forms.

    Over sixty sets of draws the errors that are stated must be those that are made; independent draws are worth 160,
    and those of the autoregression 160 (1 − ρ)/(1 + ρ) = 13, so that an error that took them for the former is a third.
    """
    rng, variance = np.random.default_rng(6), 1.16
    affinity = np.sqrt(2 * np.sqrt(variance) / (1 + variance)) * np.exp(-1 / (4 * (1 + variance)))
    exact = np.sqrt(1 - affinity), (variance + 1 - 1 - np.log(variance)) / 2, 1.0
    grid, off = jnp.linspace(-10.0, 12.0, 1501)[None], []
    for _ in range(60):
        draws = means_at(1.0 + chains(rng, correlation, 0.4))
        each = pair(normal(0.0, 1.0), draws)
        moved, error = wasserstein(MODEL, normal(0.0, 1.0), draws, grid)
        found = hellinger(*each), kl_divergence(*each), (moved.item(), error.item())
        off.append([(value - truth) / error for (value, error), truth in zip(found, exact, strict=True)])
    # The root mean square of sixty standard normals is 1 ± 0.09; the ESS of so short chains is itself uncertain.
    scores = np.sqrt(np.mean(np.square(off), axis=0))
    assert (scores > 0.7).all()
    assert (scores < 1.5).all()
