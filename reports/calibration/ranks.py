"""The study of ranks in this folder: ``uv run python reports/calibration/ranks.py`` writes ranks.json and ranks.svg."""

import json
import time
from functools import partial
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

import mixtures as mx  # noqa: E402  (after the precision is set)

HERE = Path(__file__).parent
COUNT, DRAWS = 1000, 99
CHAINS = {"num_warmup": 300, "num_chains": 2}
ENGINES = {
    "NUTS": partial(mx.fit_nuts, num_samples=500, **CHAINS),
    "Gibbs": partial(mx.fit_gibbs, num_samples=2000, **CHAINS),
    "SMC": partial(mx.fit_smc, num_particles=200, num_runs=1),
    "VI, full rank": partial(mx.fit_vi, num_starts=4, num_steps=1000, num_samples=400),
    "VI, mean field": partial(mx.fit_vi, guide="mean_field", num_starts=4, num_steps=1000, num_samples=400),
}
DESIGNS = {
    "K = 2, D = 1, N = 50": (2, 1, 50),
    "K = 3, D = 2, N = 60": (3, 2, 60),
}


def model(num_components: int, num_features: int) -> mx.Mixture:
    """A conjugate prior that knows nothing of the data: groups that often overlap."""
    prior = mx.priors.Conjugate(np.zeros(num_features), 2.0 * np.eye(num_features), dof=num_features + 4, shrinkage=0.3)
    return mx.Mixture(mx.Gaussian(), num_components, prior)


def study() -> dict:
    """Ranks and p-values of every engine under every design."""
    found = {}
    for number, (design, (num_components, num_features, num_rows)) in enumerate(DESIGNS.items()):
        for engine, fit in ENGINES.items():
            begin = time.perf_counter()
            ranks = mx.simulation_based_calibration(
                model(num_components, num_features),
                fit,
                key=jax.random.key(number),
                num_rows=num_rows,
                num_features=num_features,
                num_simulations=COUNT,
                num_draws=DRAWS,
            )
            print(f"{design}, {engine}: {ranks.reason} {time.perf_counter() - begin:.0f} s", flush=True)
            found.setdefault(design, {})[engine] = ranks
    return found


def band(level: float = 0.95) -> np.ndarray:
    """Half-width of a band that the ECDF of uniform ranks leaves with probability 1 − level, by simulation."""
    rng = np.random.default_rng(0)
    grid = np.arange(1, DRAWS + 1) / (DRAWS + 1)
    uniform = rng.integers(0, DRAWS + 1, (4000, COUNT))
    shares = np.stack([(uniform < k).mean(axis=1) for k in range(1, DRAWS + 1)], axis=1)
    sd = np.sqrt(grid * (1 - grid) / COUNT)
    farthest = np.quantile((np.abs(shares - grid) / sd).max(axis=1), level)
    return farthest * sd


def draw(found: dict) -> None:
    """Differences of the ranks' ECDFs from the uniform one, one panel for each design and engine."""
    grid, width = np.arange(1, DRAWS + 1) / (DRAWS + 1), band()
    figure, axes = plt.subplots(len(DESIGNS), len(ENGINES), figsize=(13, 5.2), sharex=True, sharey=True)
    for line, (design, engines) in zip(axes, found.items(), strict=True):
        for ax, (engine, result) in zip(line, engines.items(), strict=True):
            ax.fill_between(grid, -width, width, color="0.85", linewidth=0)
            for ranks in result.ranks.values():
                shares = (ranks[:, None] < np.arange(1, DRAWS + 1)).mean(axis=0)
                ax.plot(grid, shares - grid, linewidth=0.9)
            ax.set_title(f"{engine}\n{design}", fontsize=9)
            ax.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("rank of the truth among draws (share)")
    axes[-1, 0].set_ylabel("ECDF − uniform")
    figure.tight_layout()
    figure.savefig(HERE / "ranks.svg")


def main() -> None:
    """Run the study and write what it found."""
    begin, found = time.perf_counter(), study()
    content = {
        "command": "uv run python reports/calibration/ranks.py",
        "versions": {"mixtures": mx.__version__, "jax": jax.__version__},
        "simulations": COUNT,
        "draws": DRAWS,
        "seconds": round(time.perf_counter() - begin),
        "p_values": {d: {e: r.p_values for e, r in engines.items()} for d, engines in found.items()},
        "corrected": {d: {e: r.p_value for e, r in engines.items()} for d, engines in found.items()},
        "histograms": {
            d: {
                e: {name: np.histogram(v, 20, (0, DRAWS + 1))[0].tolist() for name, v in r.ranks.items()}
                for e, r in engines.items()
            }
            for d, engines in found.items()
        },
    }
    (HERE / "ranks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(found)


if __name__ == "__main__":
    main()
