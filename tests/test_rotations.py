"""Rotations: the Cayley transform and the uniform measure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from mixtures._rotations import CayleyTransform, UniformRotation, rotation

TRANSFORM = CayleyTransform()
VOLUMES = {2: 2 * np.pi, 3: 8 * np.pi**2, 4: 16 * np.pi**4}  # 2π, then times the areas 4π and 2π² of spheres


@pytest.mark.parametrize("num_features", [2, 3, 4])
def test_vectors_and_rotations_correspond(num_features):
    x = jax.random.normal(jax.random.key(0), (5, num_features * (num_features - 1) // 2))
    q = TRANSFORM(x)
    assert q.shape == TRANSFORM.forward_shape(x.shape)
    assert bool(jnp.all(rotation(q)))
    np.testing.assert_allclose(TRANSFORM._inverse(q), x, atol=1e-10)


@pytest.mark.parametrize("num_features", [2, 3, 4])
def test_density_is_that_of_the_invariant_measure(num_features):
    """Its volume element is made of the entries above the diagonal of QᵀdQ."""
    x = 0.7 * jax.random.normal(jax.random.key(1), (num_features * (num_features - 1) // 2,))
    q, change = TRANSFORM(x), jax.jacfwd(TRANSFORM)(x)
    turns = jnp.einsum("ij,ikx->jkx", q, change)[np.triu_indices(num_features, 1)]
    expected = jnp.linalg.slogdet(turns)[1] - np.log(VOLUMES[num_features])
    np.testing.assert_allclose(TRANSFORM.log_abs_det_jacobian(x, q), expected, rtol=1e-10)


def test_density_integrates_to_one_in_the_plane():
    total, _ = quad(lambda s: np.exp(TRANSFORM.log_abs_det_jacobian(jnp.array([s]), None)), -np.inf, np.inf)
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.mark.slow
def test_draws_are_rotations_without_a_preferred_direction():
    draws = UniformRotation(3).sample(jax.random.key(2), (4000,))
    assert bool(jnp.all(rotation(draws)))
    # Entries have mean 0 and variance 1/D; Monte Carlo errors of both are below 1/√4000.
    assert float(jnp.max(jnp.abs(jnp.mean(draws, axis=0)))) < 4 * np.sqrt(1 / 3 / 4000)
    assert float(jnp.max(jnp.abs(jnp.mean(draws**2, axis=0) - 1 / 3))) < 4 * np.sqrt(4 / 45 / 4000)
