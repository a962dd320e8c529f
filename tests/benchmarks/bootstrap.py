"""A thousand bootstrap replicates, warm."""

import time

import jax
import jax.numpy as jnp
import numpy as np

import mixtures as mx


def run():
    """Yield one row; the peer is the ten seconds it may take."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
    x = jnp.asarray(centres[rng.integers(0, 3, 1000)] + rng.normal(size=(1000, 2)))
    model = mx.Mixture(mx.Gaussian("full"), 3)
    fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=16)
    for seed in (0, 1):
        begin = time.perf_counter()
        jax.block_until_ready(mx.bootstrap(model, fit, x, key=jax.random.key(seed), num_replicates=1000))
        seconds = time.perf_counter() - begin
    yield "bootstrap, 1,000 replicates, N=1,000 D=2 K=3", 1e3 * seconds, "limit", 1e4, "ms"
