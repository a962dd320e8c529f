"""What a report costs beyond its fits: stages of `compare_fits`, and `save`, with draws that stand in for engines'."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

import mixtures as mx
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare import comparison
from mixtures.coordinates import Coordinates
from mixtures.labels import Relabelling

_ROWS, _CHAINS, _DRAWS = 100_000, 4, 2000
_STAGES = (
    *("agreement", "check_posterior", "clustering", "density", "em_intervals", "judge", "location", "place"),
    *("predict_fairly", "prior_sensitivity", "standard_errors"),
)
_WHOLE = "compare_fits and save"
_LIMIT, _LIMIT_SIZE = 10.0, 3.0  # seconds of everything together, and MiB of the page


def run():
    """Yield each stage's seconds, compiling included, and those of all when they run again."""
    model, x, fits = stand_ins()
    # Each time copies of the fits, which have not been summarised yet.
    runs = (measured(model, x, jax.tree.map(jnp.copy, fits), jax.random.key(number)) for number in (1, 2))
    (cold, size), (warm, _) = runs
    case = f"N={_ROWS:,} D=2 K=3, {_CHAINS * _DRAWS:,} draws"
    for name in sorted(cold, key=lambda name: -cold[name]):
        yield f"{name}, {case}", cold[name], "the same again", warm[name], "s"
    for name, seconds in {"with what it compiles": cold, "compiled": warm}.items():
        yield f"{_WHOLE}, {name}, {case}", seconds[_WHOLE], "limit", _LIMIT, "s"
    yield f"report.html, {case}", size / 2**20, "limit", _LIMIT_SIZE, "MiB"


def measured(model: mx.Mixture, x: jax.Array, fits: dict, key: jax.Array) -> tuple[dict[str, float], int]:
    """Seconds of a report's stages, of which several run at once, and of all of it; and the size of its page."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable):
        def run(*arguments, **options):
            begin = time.perf_counter()
            result = function(*arguments, **options)
            seconds[name] = time.perf_counter() - begin
            return result

        return run

    def report(folder: Path) -> int:
        result = timed("compare_fits", mx.compare_fits)(model, x, key=key, **fits)
        timed("save", result.save)(folder)
        return (folder / "report.html").stat().st_size

    with ExitStack() as stack:
        for name in _STAGES:
            stack.enter_context(patch.object(comparison, name, timed(name, getattr(comparison, name))))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        size = timed(_WHOLE, report)(Path(folder) / "report")
    return seconds, size


def stand_ins():
    """A mixture, rows, EM's fits to them, and draws about the MAP as wide as a posterior's for so many rows."""
    rng = np.random.default_rng(0)
    group = rng.choice(3, _ROWS, p=[0.5, 0.3, 0.2])
    centres, widths = np.array([[0.0, 0.0], [5.0, 1.0], [2.0, 6.0]]), np.array([1.0, 0.7, 1.4])
    x = jnp.asarray(centres[group] + rng.normal(size=(_ROWS, 2)) * widths[group][:, None])
    model = mx.Mixture.for_data(x, 3)
    ml, best = (mx.fit_em(model, x, key=jax.random.key(0), num_starts=2, objective=name) for name in ("ml", "map"))
    vi, nuts = (draws(model, x, best.params, chains) for chains in (1, _CHAINS))
    return model, x, {"ml": ml, "map_fit": best, "vi": vi, "nuts": nuts}


def draws(model: mx.Mixture, x: jax.Array, centre, chains: int) -> Posterior:
    """Draws normal in unconstrained coordinates; only the first one's log-likelihood is that of the data."""
    rows, shape = model.prepare(x), (chains, _DRAWS)
    coordinates = Coordinates.of(model, rows.frame)
    there = coordinates.vector(centre)
    noise = jax.random.normal(jax.random.key(chains), (*shape, len(there))) / np.sqrt(_ROWS)
    params = jax.jit(jax.vmap(jax.vmap(coordinates.params)))(there + noise)
    first = jax.tree.map(lambda leaf: leaf[0, 0], params)
    told = model.log_likelihood(first, rows) - (noise**2 - noise[0, 0] ** 2).sum(-1) * _ROWS / 2
    joint = told + jax.jit(jax.vmap(jax.vmap(model.log_prior)))(params)
    labels = Relabelling(jnp.broadcast_to(jnp.arange(3), (*shape, 3)), jnp.array(0.0))
    zero = jnp.zeros(shape)
    info = NUTSInfo(zero > 0, jnp.full(shape, 7), zero + 0.85, -joint, jnp.full(chains, 0.4))
    if chains == 1:
        small = jnp.array(0.01)
        info = VIInfo(
            "full_rank",
            jnp.max(told),
            small,
            0.1 * noise[0, :, 0] * np.sqrt(_ROWS),
            jnp.full(8, jnp.max(told)),
            0 * small,
            small,
        )
    return Posterior(params, told, joint, labels, info, model)
