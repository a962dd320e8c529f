"""Two hundred starts beside scikit-learn's ``n_init``, to the same best objective."""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import sklearn
from sklearn.mixture import GaussianMixture

import mixtures as mx

SIZES = [(50, 1, 3, 200), (2_000, 2, 4, 10), (20_000, 4, 5, 4)]  # rows, features, components, starts of the peer run
_STARTS = 200
_TOLERANCE = 1e-6  # of the peer, in nats a row; its default, 1e-3, stops several nats short


def problem(num_rows: int, num_features: int, num_components: int) -> np.ndarray:
    """Rows from overlapping groups."""
    rng = np.random.default_rng(0)
    centres = 2.0 * rng.normal(size=(num_components, num_features))
    return centres[rng.integers(0, num_components, num_rows)] + rng.normal(size=(num_rows, num_features))


def ours(x: np.ndarray, num_components: int) -> tuple[float, float]:
    """Median seconds of three warm fits, and the lowest log-likelihood of them."""
    model, data, seconds, heights = mx.Mixture(mx.Gaussian("full"), num_components), jnp.asarray(x), [], []
    for seed in (0, 1, 2, 3):
        begin = time.perf_counter()
        fit = mx.fit_em(model, data, key=jax.random.key(seed), objective="ml", num_starts=_STARTS)
        jax.block_until_ready(fit)
        seconds.append(time.perf_counter() - begin)
        heights.append(float(fit.log_likelihood))
    return float(np.median(seconds[1:])), min(heights[1:])


def theirs(x: np.ndarray, num_components: int, num_starts: int) -> tuple[float, float]:
    """Seconds of 200 starts, from a run of fewer, and the log-likelihood these reached."""
    peer = GaussianMixture(num_components, n_init=num_starts, tol=_TOLERANCE, max_iter=10_000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        peer.fit(x)
        seconds = time.perf_counter() - begin
    return seconds * _STARTS / num_starts, float(peer.score(x) * len(x))


def run():
    """Yield a row for each size."""
    for num_rows, num_features, num_components, num_starts in SIZES:
        x = problem(num_rows, num_features, num_components)
        own, height = ours(x, num_components)
        peer, reached = theirs(x, num_components, num_starts)
        size = f"N={num_rows:,} D={num_features} K={num_components}"
        name = f"{_STARTS} starts, {size}, log-likelihood {height:.3f} against {reached:.3f}"
        yield name, 1e3 * own, f"scikit-learn {sklearn.__version__}, tol {_TOLERANCE:g}", 1e3 * peer, "ms"
