"""One EM iteration beside scikit-learn's, and beside its own two bare matrix products and one exponential."""

import time
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sklearn
from sklearn.mixture import GaussianMixture

import mixtures as mx
from mixtures._kernel import Sums
from mixtures.em import step as em_step

SIZES = [(100_000, 8, 8), (20_000, 20, 10), (50_000, 16, 16), (1_000_000, 4, 5)]
_STEPS = 20


def best_seconds(function, repeats: int = 5) -> float:
    """Shortest of several runs, after one that compiles."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - begin)
    return min(times)


def problem(num_rows: int, num_features: int, num_components: int):
    """Rows from separated groups, with a start at some of them."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(num_components, num_features))
    x = centres[rng.integers(0, num_components, num_rows)] + rng.normal(size=(num_rows, num_features))
    return x, x[rng.choice(num_rows, num_components, replace=False)]


def start(model: mx.Mixture, x: np.ndarray, means: np.ndarray):
    """Equal weights, and the data's covariance for every component."""
    spread = jnp.tile(jnp.cov(x.T), (len(means), 1, 1))
    return model.family.start(jnp.full(len(means), 1 / len(means)), jnp.asarray(means), spread)


def ours(x: np.ndarray, means: np.ndarray) -> float:
    """Seconds of one iteration with weights, checks and the objective, averaged over a loop."""
    model = mx.Mixture(mx.Gaussian("full"), len(means))
    params = start(model, x, means)
    rows = eqx.filter_jit(model.prepare)(jnp.asarray(x))

    @eqx.filter_jit
    def run(rows, params):
        state = em_step.init(model, rows, params)
        return jax.lax.fori_loop(0, _STEPS, lambda _, s: em_step.step(model, rows, s, 1e-8), state)

    return best_seconds(lambda: run(rows, params)) / _STEPS


def unsafe(x: np.ndarray, means: np.ndarray) -> float:
    """Seconds of an iteration that trusts its numbers: no row weights, no largest term taken out, no checks."""
    model = mx.Mixture(mx.Gaussian("full"), len(means))
    params = start(model, x, means)
    rows = eqx.filter_jit(model.prepare)(jnp.asarray(x))

    def step(_, params):
        quadratics = model.family.quadratics(params, rows.frame, None)
        stats = rows.blocks[0]
        likelihood = jnp.exp(quadratics.natural() @ stats)
        shares = likelihood / jnp.sum(likelihood, axis=0)
        expected = jax.lax.optimization_barrier(stats @ shares.T).T
        sums = Sums.from_products(expected, quadratics.mean, False)
        moments = model.family.moments(params, quadratics.mean, sums, rows)
        return em_step.m_step(model, rows.frame, moments, params)

    run = eqx.filter_jit(lambda params: jax.lax.fori_loop(0, _STEPS, step, params))
    return best_seconds(lambda: run(params)) / _STEPS


def bare(x: np.ndarray, num_components: int) -> float:
    """Seconds of the two matrix products and one exp over N × K that an iteration cannot do without."""
    num_rows, num_features = x.shape
    num_stats = 1 + num_features + num_features * (num_features + 1) // 2
    stats = jnp.asarray(np.random.default_rng(1).normal(size=(num_stats, num_rows)))
    eta, r = jnp.ones((num_components, num_stats)) / num_stats, jnp.ones((num_components, num_rows))
    first, exp, second = jax.jit(lambda a, b: a @ b), jax.jit(jnp.exp), jax.jit(lambda a, b: a @ b.T)
    calls = (lambda: first(eta, stats), lambda: exp(r), lambda: second(r, stats))
    return sum(best_seconds(call) for call in calls)


def theirs(x: np.ndarray, means: np.ndarray) -> float:
    """Seconds of one scikit-learn iteration from the same start."""
    precisions = np.broadcast_to(np.linalg.inv(np.cov(x.T)), (len(means), x.shape[1], x.shape[1]))
    weights = np.full(len(means), 1 / len(means))
    peer = GaussianMixture(
        len(means), max_iter=_STEPS, tol=0, weights_init=weights, means_init=means, precisions_init=precisions
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return best_seconds(lambda: peer.fit(x) and None, repeats=2) / _STEPS


def run():
    """Yield a row for each size and peer."""
    for size in SIZES:
        x, means = problem(*size)
        own = ours(x, means)
        name = "EM iteration, N={:,} D={} K={} full".format(*size)
        yield name, 1e3 * own, f"scikit-learn {sklearn.__version__}", 1e3 * theirs(x, means), "ms"
        if len(x) < 1_000_000:  # beyond, rows are visited in blocks
            yield name, 1e3 * own, "without safe numerics and weights", 1e3 * unsafe(x, means), "ms"
        yield name, 1e3 * own, "two bare products and one exp", 1e3 * bare(x, size[2]), "ms"
