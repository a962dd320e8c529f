"""The study of coverage: ``uv run python reports/calibration/coverage.py`` writes coverage.json and coverage.svg."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
COUNT, LEVEL = 500, 0.9


class Design(NamedTuple):
    """What data sets come from: parameters of two normals, or the prior."""

    num_rows: int
    weights: tuple[float, float] | None = None
    means: tuple[float, float] | None = None
    sds: tuple[float, float] | None = None


DESIGNS = {
    "parameters from the prior, N = 100": Design(100),
    "well separated, N = 200": Design(200, (0.4, 0.6), (-3.0, 3.0), (1.0, 1.0)),
    "overlapping, N = 200": Design(200, (0.4, 0.6), (-1.2, 1.2), (1.0, 1.0)),
    "few rows, N = 30": Design(30, (0.4, 0.6), (-2.0, 2.0), (1.0, 1.0)),
    "unequal weights, N = 300": Design(300, (0.05, 0.95), (-3.0, 1.0), (1.0, 1.0)),
}


def study(name: str) -> dict:
    """What every method covers under one design."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    import mixtures as mx

    design, begin = DESIGNS[name], time.perf_counter()
    informed = mx.priors.Conjugate([0.0], [[2.0]], dof=5.0, shrinkage=0.3)
    vague = mx.priors.Conjugate([0.0], [[1.0]], dof=3.0, shrinkage=0.01)
    model = mx.Mixture(mx.Gaussian(), 2, informed if design.weights is None else vague)
    truth = None
    if design.weights is not None:
        variances = jnp.asarray(design.sds)[:, None, None] ** 2
        truth = model.family.start(jnp.asarray(design.weights), jnp.asarray(design.means)[:, None], variances)
    found = mx.calibrate(
        model, design.num_rows, jax.random.key(0), truth=truth, level=LEVEL, num_simulations=COUNT, num_chains=2
    )
    print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return {
        "label_free": found.quantities[: found.num_label_free],
        "sentences": found.sentences,
        "failed": {method: found.failed(method) for method in found.estimates},
        "trusted": {method: float(found.trusted[method].mean()) for method in found.estimates},
        "rows": [row._asdict() for row in found.rows()],
    }


def draw(studies: dict) -> None:
    """Coverage of every quantity, one panel for each design."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(studies), figsize=(15, 4.6), sharey=True, sharex=True)
    noise = 1.96 * (LEVEL * (1 - LEVEL) / COUNT) ** 0.5
    for ax, (name, found) in zip(axes, studies.items(), strict=True):
        methods = list(found["failed"])
        ax.axvspan(LEVEL - noise, LEVEL + noise, color="0.85", linewidth=0)
        for row in found["rows"]:
            free = row["quantity"] in found["label_free"]
            colour = {"VI": "C1", "NUTS": "C2"}.get(row["method"], "C0")
            ax.plot(row["coverage"], methods.index(row["method"]), "o" if free else "D", color=colour,
                    markerfacecolor=colour if free else "white", markersize=4)  # fmt: skip
        ax.set_yticks(range(len(methods)), methods)
        ax.set_title(name, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    axes[0].set_xlabel(f"coverage of {LEVEL:.0%} intervals")
    figure.tight_layout()
    figure.savefig(HERE / "coverage.svg")


def main() -> None:
    """Run the designs, two at once, and write what was found."""
    begin = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        studies = dict(zip(DESIGNS, pool.map(study, DESIGNS), strict=True))
    content = {
        "command": "uv run python reports/calibration/coverage.py",
        "simulations": COUNT,
        "level": LEVEL,
        "seconds": round(time.perf_counter() - begin),
        "designs": studies,
    }
    (HERE / "coverage.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(studies)


if __name__ == "__main__":
    main()
