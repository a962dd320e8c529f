"""Starts beside tgmm, gmmx and mclust, where they are installed, each with what its log-likelihood came to."""

import shutil
import subprocess
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks.em_starts import ours, problem

SIZE = (2_000, 2, 4)
_STARTS = 200
_RUN = 5  # starts that a peer is timed on
_TOLERANCE = 1e-6

_MCLUST = """
suppressMessages(library(mclust))
x <- as.matrix(read.csv("{path}", header = FALSE))
seconds <- system.time(f <- Mclust(x, G = {k}, modelNames = "VVV", verbose = FALSE,
                                   control = emControl(tol = 1e-10)))[["elapsed"]]
cat(as.character(packageVersion("mclust")), seconds, f$loglik)
"""


def tgmm(x: np.ndarray, num_components: int) -> tuple[str, float, float]:
    """Seconds of 200 starts, from a run of five, and the log-likelihood these reached."""
    import torch
    from tgmm import GaussianMixture

    torch.set_default_dtype(torch.float64)
    data = torch.tensor(x)
    peer = GaussianMixture(num_components, x.shape[1], max_iter=10_000, tol=_TOLERANCE, n_init=_RUN, random_state=0)
    begin = time.perf_counter()
    peer.fit(data)
    seconds = time.perf_counter() - begin
    return "tgmm", seconds * _STARTS / _RUN, float(peer.score_samples(data).sum())


def gmmx(x: np.ndarray, num_components: int) -> tuple[str, float, float]:
    """The same, from hard assignments to random rows; it has no starts of its own."""
    from gmmx import EMFitter, GaussianMixtureModelJax

    data, rng = jnp.asarray(x, jnp.float32), np.random.default_rng(0)
    fitter, best = EMFitter(max_iter=10_000, tol=_TOLERANCE), -np.inf
    for run in range(_RUN + 1):  # the first compiles
        begin = time.perf_counter() if run < 2 else begin
        centres = x[rng.choice(len(x), num_components, replace=False)]
        nearest = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        shares = jnp.eye(num_components, dtype=jnp.float32)[nearest]
        model = GaussianMixtureModelJax.from_responsibilities(
            data[:, None, :, None], shares[:, :, None, None], reg_covar=1e-6, covariance_type="full"
        )
        found = fitter.fit(data, model)
        best = max(best, float(found.log_likelihood) * len(x))
    seconds = time.perf_counter() - begin
    return "gmmx, float32", seconds * _STARTS / _RUN, best


def mclust(x: np.ndarray, num_components: int) -> tuple[str, float, float]:
    """Seconds of its one hierarchical start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        np.savetxt(path, x, delimiter=",")
        script = _MCLUST.format(path=path.as_posix(), k=num_components)
        version, seconds, height = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, check=True
        ).stdout.split()
    return f"mclust {version} (one start)", float(seconds), float(height)


def run():
    """Yield a row for each peer that is here."""
    x, num_components = problem(*SIZE), SIZE[2]
    own, height = ours(x, num_components)
    here = [peer for peer in (tgmm, gmmx) if find_spec(peer.__name__)] + ([mclust] if shutil.which("Rscript") else [])
    for peer in here:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with jax.enable_x64(peer is not gmmx):  # it works in float32 only
                name, seconds, reached = peer(x, num_components)
        size = "N={:,} D={} K={}".format(*SIZE)
        yield (
            f"{_STARTS} starts, {size}, log-likelihood {height:.3f} against {reached:.3f}",
            1e3 * own,
            name,
            1e3 * seconds,
            "ms",
        )
