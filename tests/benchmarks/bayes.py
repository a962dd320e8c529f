"""The Bayesian side: gradients beside `MixtureSameFamily`, a simulation study under `vmap`, relabelling."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import mixtures as mx
from mixtures.labels import relabel

_REPEATS = 50


def run():
    """Yield a row for each."""
    yield gradient()
    yield particles()
    yield study()
    yield relabelling()


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """Of one call, after one that compiles; the median of several."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken))


def groups(num_rows: int, num_features: int, num_components: int) -> np.ndarray:
    """Rows from groups that overlap a little."""
    rng = np.random.default_rng(0)
    centres = 3.0 * rng.normal(size=(num_components, num_features))
    return centres[rng.integers(0, num_components, num_rows)] + rng.normal(size=(num_rows, num_features))


def gradient():
    """Gradient of the log-likelihood, N = 20,000, D = 4, K = 4, full covariances."""
    x = jnp.asarray(groups(20_000, 4, 4))
    model = mx.Mixture(mx.Gaussian("full"), 4)
    params = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=4).params
    rows = model.prepare(x)
    ours = jax.jit(jax.grad(lambda p: model.log_likelihood(p, rows)))

    def peer(sites):
        tril = jnp.linalg.cholesky(sites["covariances"])
        components = dist.MultivariateNormal(sites["means"], scale_tril=tril)
        return jnp.sum(dist.MixtureSameFamily(dist.Categorical(sites["weights"]), components).log_prob(x))

    theirs, sites = jax.jit(jax.grad(peer)), model.family.sites(params)
    own, other = seconds(lambda: ours(params), _REPEATS), seconds(lambda: theirs(sites), _REPEATS)
    return "gradient, N=20,000 D=4 K=4 full", 1e3 * own, "MixtureSameFamily", 1e3 * other, "ms"


def particles():
    """Gradients at 64 draws at once, as variational inference takes them, N = 100,000, D = 2, K = 3."""
    x = jnp.asarray(groups(100_000, 2, 3))
    model = mx.Mixture(mx.Gaussian("full"), 3)
    params = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=2).params
    draws = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (64, *leaf.shape)), params)

    def taken(rows) -> float:
        gradients = jax.jit(jax.vmap(jax.grad(lambda p: model.log_likelihood(p, rows))))
        return seconds(lambda: gradients(draws), 10) / 64

    whole, blocks = model.prepare(x), model.prepare(x, 64)
    return (
        "gradient of 64 at once, N=100,000 D=2 K=3",
        1e3 * taken(blocks),
        "rows in one block",
        1e3 * taken(whole),
        "ms",
    )


def study():
    """Two hundred data sets of N = 200, K = 2 in one compiled call: 4 chains × (500 + 500) each; from nothing."""
    rng = np.random.default_rng(1)
    x = jnp.asarray(np.where(rng.random((200, 200)) < 0.4, rng.normal(-2, 1, (200, 200)), rng.normal(2, 1, (200, 200))))

    def one(x, key):
        model = mx.Mixture.for_data(x, 2)
        return mx.fit_nuts(model, x, key=key, num_warmup=500, num_samples=500).log_joint

    begin = time.perf_counter()
    jax.block_until_ready(jax.jit(jax.vmap(one))(x, jax.random.split(jax.random.key(0), 200)))
    return "NUTS on 200 data sets, N=200 K=2, from nothing", time.perf_counter() - begin, "limit", 120.0, "s"


def relabelling():
    """Four thousand draws at N = 10,000, K = 6, with labels switched at random."""
    rng = np.random.default_rng(2)
    x = groups(10_000, 2, 6)
    model = mx.Mixture.for_data(x, 6)
    params = mx.fit_em(model, x, key=jax.random.key(0), num_starts=8).params
    orders = jnp.asarray(rng.permuted(np.broadcast_to(np.arange(6), (4, 1000, 6)), axis=-1))
    draws = jax.vmap(jax.vmap(lambda order: model.family.permute(params, order)))(orders)
    rows = model.prepare(x)
    align = jax.jit(lambda draws: relabel(model, rows, draws, params)[0])
    return "relabelling 4,000 draws, N=10,000 K=6", seconds(lambda: align(draws)), "limit", 10.0, "s"
