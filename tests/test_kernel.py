"""Identities of the kernel: the E-step, Fisher's identity, exact Hessians, and blocks that change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mixtures import _kernel
from mixtures._kernel import CENTRED, PRODUCTS, SQUARES, Quadratics, Rows
from mixtures._kernel import rows as blocking

NUM_ROWS, NUM_COMPONENTS = 640, 3
CASES = [(CENTRED, False), (CENTRED, True), (PRODUCTS, False), (SQUARES, True)]
IDS = ["centred", "centred-independent", "products", "squares"]


class Problem:
    """Rows, weights and components whose densities scipy knows."""

    def __init__(self, form: str, independent: bool, num_features: int = 2):
        rng = np.random.default_rng(num_features)
        self.form = form
        self.x = rng.normal(size=(NUM_ROWS, num_features)) * 5.0 + 100.0
        self.weights = rng.uniform(0.2, 3.0, NUM_ROWS)
        self.z = (self.x - self.x.mean(axis=0)) / self.x.std(axis=0)
        self.mean = rng.normal(size=(NUM_COMPONENTS, num_features))
        root = rng.normal(size=(NUM_COMPONENTS, num_features, num_features)) + 2 * np.eye(num_features)
        self.factor = root * np.eye(num_features) if independent else root
        self.shares = np.array([0.2, 0.3, 0.5])
        determinant = np.abs(np.linalg.det(self.factor))
        constant = np.log(self.shares) + np.log(determinant) - num_features / 2 * np.log(2 * np.pi)
        factor = np.diagonal(self.factor, axis1=1, axis2=2) if independent else self.factor
        self.quadratics = Quadratics(jnp.asarray(constant), jnp.asarray(self.mean), jnp.asarray(factor))

    def prepare(self, lanes: int = 1) -> Rows:
        return Rows.prepare(jnp.asarray(self.x), self.form, NUM_COMPONENTS, lanes, jnp.asarray(self.weights))

    def densities(self) -> np.ndarray:
        """Weighted component densities by scipy, (N, K)."""
        covariances = np.linalg.inv(np.swapaxes(self.factor, 1, 2) @ self.factor)
        each = [multivariate_normal.pdf(self.z, m, c) for m, c in zip(self.mean, covariances, strict=True)]
        return np.stack(each, axis=1) * self.shares


@pytest.fixture(params=[(*case, d) for case in CASES for d in (1, 2)], ids=[f"{i}-{d}d" for i in IDS for d in (1, 2)])
def problem(request):
    return Problem(*request.param)


def plain_log_likelihood(q, rows):
    """The same density written down directly, for automatic differentiation."""
    factor = q.factor if q.factor.ndim == 3 else q.factor[:, :, None] * jnp.eye(q.mean.shape[1])
    z = rows_of(rows)
    distance = jnp.sum(jnp.einsum("kde,nke->nkd", factor, z[:, None] - q.mean) ** 2, axis=-1)
    return jnp.sum(rows.weights[0] * jax.nn.logsumexp(q.constant - 0.5 * distance, axis=1))


def rows_of(rows):
    block = rows.blocks[0]
    num_features = rows.frame.loc.shape[0]
    return block[1 : 1 + num_features].T if rows.stored else block.T


def assert_trees_close(actual, expected, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), actual, expected)


def test_value_and_statistics(problem):
    density = problem.densities()
    shares = density / density.sum(axis=1, keepdims=True) * problem.weights[:, None]
    deviation = problem.z[:, None] - problem.mean
    value, sums = _kernel.e_step(problem.quadratics, problem.prepare())
    np.testing.assert_allclose(value, problem.weights @ np.log(density.sum(axis=1)), rtol=1e-11)
    np.testing.assert_allclose(sums.count, shares.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(sums.first, np.einsum("nk,nkd->kd", shares, deviation), rtol=1e-8, atol=1e-8)
    second = np.einsum("nk,nkd,nke->kde", shares, deviation, deviation)
    second = second if sums.second.ndim == 3 else np.diagonal(second, axis1=1, axis2=2)
    np.testing.assert_allclose(sums.second, second, rtol=1e-8, atol=1e-8)


def test_log_densities_are_in_the_order_of_the_data(problem):
    columns = _kernel.log_densities(problem.quadratics, problem.prepare())
    np.testing.assert_allclose(columns, np.log(problem.densities()).T, rtol=1e-9, atol=1e-9)


def test_gradient_is_fishers_identity(problem):
    rows = problem.prepare()
    gradient, plain = (jax.grad(f)(problem.quadratics, rows) for f in (_kernel.log_likelihood, plain_log_likelihood))
    assert_trees_close(gradient, plain, rtol=1e-8, atol=1e-8)


@pytest.mark.slow_but("centred-1d", "products-2d")
def test_hessian_differentiates_through_the_rule(problem):
    rows = problem.prepare()
    ours, plain = (jax.hessian(f)(problem.quadratics, rows) for f in (_kernel.log_likelihood, plain_log_likelihood))
    assert_trees_close(ours, plain, rtol=1e-7, atol=1e-7)


def test_derivatives_in_rows_and_weights_are_not_lost():
    problem = Problem(CENTRED, independent=False)
    rows = problem.prepare()
    ours, plain = (
        jax.grad(f, argnums=1, allow_int=True)(problem.quadratics, rows)
        for f in (_kernel.log_likelihood, plain_log_likelihood)
    )
    np.testing.assert_allclose(ours.weights, plain.weights, rtol=1e-9)
    np.testing.assert_allclose(ours.blocks, plain.blocks, rtol=1e-8, atol=1e-10)


def test_gradient_makes_no_second_pass_over_the_data():
    """The reverse pass multiplies stored statistics: it holds no more N-sized products than the E-step."""
    problem = Problem(PRODUCTS, independent=False)
    rows = problem.prepare()

    def count_products(function):
        text = str(jax.make_jaxpr(function)(problem.quadratics, rows))
        return sum("dot_general" in line and str(NUM_ROWS) in line for line in text.splitlines())

    once = count_products(_kernel.e_step)
    assert count_products(jax.value_and_grad(_kernel.log_likelihood)) == once > 0


def test_blocks_change_nothing(problem, monkeypatch):
    whole = problem.prepare()
    monkeypatch.setattr(blocking, "_WHOLE_LIMIT", 10)
    monkeypatch.setattr(blocking, "_BLOCK_LIMIT", 10)
    monkeypatch.setattr(blocking, "_CACHE_LIMIT", 10)
    blocked = problem.prepare(lanes=2)  # another number of lanes, so traced anew
    assert whole.blocks.shape[0] == 1
    assert blocked.blocks.shape[::2] == (3, 256), "three blocks, the last one padded"
    assert_trees_close(
        _kernel.e_step(problem.quadratics, blocked), _kernel.e_step(problem.quadratics, whole), rtol=1e-9, atol=1e-9
    )
    gradients = (jax.grad(_kernel.log_likelihood)(problem.quadratics, rows) for rows in (blocked, whole))
    assert_trees_close(*gradients, rtol=1e-9, atol=1e-9)
    columns = (_kernel.log_densities(problem.quadratics, rows) for rows in (blocked, whole))
    assert_trees_close(*columns, rtol=1e-9, atol=1e-9)


def test_a_weight_is_a_repeated_row(problem):
    counts = np.arange(NUM_ROWS) % 4
    frame = problem.prepare().frame
    weighted = problem.prepare()
    weighted = jax.tree.map(lambda leaf: leaf, weighted)
    object.__setattr__(weighted, "weights", jnp.asarray(counts, float)[None])
    repeated = Rows.prepare(jnp.asarray(np.repeat(problem.x, counts, axis=0)), problem.form, NUM_COMPONENTS, 1)
    shifted = (np.asarray(repeated.frame.loc) - frame.loc) / frame.scale, np.asarray(repeated.frame.scale) / frame.scale
    q = problem.quadratics
    scale = shifted[1] if q.independent else shifted[1][None, None, :]
    moved = Quadratics(q.constant, (q.mean - shifted[0]) / shifted[1], q.factor * scale)
    ours, theirs = _kernel.e_step(q, weighted), _kernel.e_step(moved, repeated)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    np.testing.assert_allclose(ours[1].count, theirs[1].count, rtol=1e-9)
