"""Unconstrained coordinates: a bijection of the right size, in which units do not matter."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixtures.coordinates import Coordinates, hessian
from tests.models import CASES, IDS, make


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_round_trip_and_size(case):
    model, x = make(case)
    coordinates = Coordinates.of(model, model.prepare(x).frame)
    assert coordinates.size == model.num_parameters(x.shape[1])
    u = jax.random.normal(jax.random.key(5), (coordinates.size,))
    params = eqx.filter_jit(coordinates.params)(u)
    np.testing.assert_allclose(eqx.filter_jit(coordinates.vector)(params), u, atol=1e-8)
    np.testing.assert_allclose(params.weights.sum(), 1.0)
    assert bool((jnp.linalg.eigvalsh(params.covariances) > 0).all())


@pytest.mark.parametrize("case", [c for c in CASES if c[2] == "default"], ids=lambda c: f"{c[0]}-{c[1]}d")
def test_data_in_other_units_have_the_same_coordinates(case):
    """Rescaling a feature moves the parameters with it and leaves u alone."""
    model, x = make(case)
    any_factors = case[0] in ("full", "tied", "diagonal", "tied_diagonal")
    factor = 1000.0 if not any_factors else np.array([1000.0, 1e-3, 7.0])[: x.shape[1]]
    moved = type(model).for_data(x * factor + 3.0, 3, model.family)
    here, there = (Coordinates.of(m, m.prepare(y).frame) for m, y in ((model, x), (moved, x * factor + 3.0)))
    u = jax.random.normal(jax.random.key(6), (here.size,))
    a, b = here.params(u), there.params(u)
    np.testing.assert_allclose(a.means * factor + 3.0, b.means, rtol=1e-9)
    scale = np.broadcast_to(factor, x.shape[1])
    np.testing.assert_allclose(a.covariances * scale[:, None] * scale, b.covariances, rtol=1e-9)


def test_hessian_of_a_known_function():
    matrix = jnp.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(
        hessian(lambda u: 0.5 * u @ matrix @ u + jnp.sum(u**3), jnp.ones(2)), matrix + 6 * np.eye(2)
    )
