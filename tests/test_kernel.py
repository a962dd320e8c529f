"""Identities of the kernel: Fisher's identity, exact Hessians, blocks that change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixtures import _kernel
from mixtures._kernel import Rows
from mixtures.families.gaussian import cross_products


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 2)) * [5.0, 0.2] + [100.0, 1.0]
    eta = jnp.asarray(rng.normal(size=(3, 6)) * [1, 1, 1, 0, 0, 0] - [0, 0, 0, 0.5, 0, 0.5])
    return jnp.asarray(x), eta


def plain_log_likelihood(eta, rows):
    return jnp.sum(rows.weights[0] * jax.nn.logsumexp(eta @ rows.blocks[0], axis=0))


def test_value_and_statistics(problem):
    x, eta = problem
    rows = Rows.prepare(x, cross_products, 3)
    z = (np.asarray(x) - np.mean(x, axis=0)) / np.std(x, axis=0)
    t = np.stack([np.ones(40), z[:, 0], z[:, 1], z[:, 0] ** 2, z[:, 0] * z[:, 1], z[:, 1] ** 2], axis=1)
    log_density = t @ np.asarray(eta).T
    r = np.exp(log_density - np.logaddexp.reduce(log_density, axis=1, keepdims=True))
    value, stats = _kernel.e_step(eta, rows)
    np.testing.assert_allclose(value, np.logaddexp.reduce(log_density, axis=1).sum(), rtol=1e-12)
    np.testing.assert_allclose(stats, r.T @ t, rtol=1e-10)


def test_gradient_is_the_expected_statistics(problem):
    x, eta = problem
    rows = Rows.prepare(x, cross_products, 3)
    gradient = jax.grad(_kernel.log_likelihood)(eta, rows)
    np.testing.assert_allclose(gradient, _kernel.e_step(eta, rows)[1], rtol=1e-12)
    np.testing.assert_allclose(gradient, jax.grad(plain_log_likelihood)(eta, rows), rtol=1e-9)


def test_hessian_differentiates_through_the_rule(problem):
    x, eta = problem
    rows = Rows.prepare(x, cross_products, 3)
    hessian = jax.hessian(_kernel.log_likelihood)(eta, rows)
    np.testing.assert_allclose(hessian, jax.hessian(plain_log_likelihood)(eta, rows), rtol=1e-8, atol=1e-9)


def test_derivatives_in_rows_and_weights_are_not_lost(problem):
    x, eta = problem
    rows = Rows.prepare(x, cross_products, 3)
    ours, plain = (
        jax.grad(f, argnums=1, allow_int=True)(eta, rows) for f in (_kernel.log_likelihood, plain_log_likelihood)
    )
    np.testing.assert_allclose(ours.weights, plain.weights, rtol=1e-9)
    np.testing.assert_allclose(ours.blocks, plain.blocks, rtol=1e-9)


def test_gradient_makes_no_second_pass_over_the_data(problem):
    """The reverse pass multiplies stored statistics: it holds no more N-sized products than the E-step."""
    x, eta = problem
    rows = Rows.prepare(x, cross_products, 3)

    def count_products(function):
        return str(jax.make_jaxpr(function)(eta, rows)).count("dot_general")

    assert count_products(jax.value_and_grad(_kernel.log_likelihood)) == count_products(_kernel.e_step) == 2


def test_blocks_change_nothing(problem, monkeypatch):
    x, eta = problem
    whole = Rows.prepare(x, cross_products, 3)
    monkeypatch.setattr(_kernel, "_WHOLE_LIMIT", 10)
    monkeypatch.setattr(_kernel, "_BLOCK_ROWS", 256)
    many = jnp.tile(x, (17, 1))[:640]  # three blocks of 256, the last one padded
    blocked = Rows.prepare(many, cross_products, 3)
    monkeypatch.undo()
    reference = Rows.prepare(many, cross_products, 4)  # another number of lanes, so traced anew
    assert blocked.blocks.shape == (3, 2, 256)
    assert whole.blocks.shape[0] == reference.blocks.shape[0] == 1
    for function in (_kernel.e_step, _kernel.log_likelihood, _kernel.log_densities, jax.grad(_kernel.log_likelihood)):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10),
            function(eta, blocked),
            function(eta, reference),
        )


def test_far_rows_do_not_underflow():
    x = jnp.array([[0.0], [1.0], [2000.0]])
    rows = Rows.prepare(x, cross_products, 1)
    eta = jnp.array([[0.0, 0.0, -1e6], [0.0, 1.0, -1e6]])
    value, stats = _kernel.e_step(eta, rows)
    assert jnp.isfinite(value)
    assert bool(jnp.isfinite(stats).all())
    np.testing.assert_allclose(stats[:, 0].sum(), 3.0)
