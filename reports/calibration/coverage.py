"""The study of coverage: ``uv run python reports/calibration/coverage.py`` writes its JSON, SVG and tables."""

import json
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mixtures._numbers import nominal, percent
from mixtures.compare.coverage import is_off

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
    "well separated, N = 200": Design(200, (0.35, 0.65), (-4.0, 4.0), (1.0, 2.0)),
    "few rows, N = 40": Design(40, (0.3, 0.7), (-3.0, 3.0), (1.0, 2.0)),
    "well separated, equal variances, N = 200": Design(200, (0.35, 0.65), (-4.0, 4.0), (1.0, 1.0)),
    "overlapping, N = 200": Design(200, (0.35, 0.65), (-1.5, 1.5), (1.0, 2.0)),
    "unequal weights, N = 200": Design(200, (0.1, 0.9), (-3.0, 3.0), (1.0, 2.0)),
}
_TABLES = re.compile(r"(<!-- coverage -->\n).*(<!-- /coverage -->)", re.DOTALL)


def study(name: str) -> dict:
    """What every method covers under one design."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    import mixtures as mx

    design, begin, worked = DESIGNS[name], time.perf_counter(), time.process_time()
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
        "processor_seconds": round(time.process_time() - worked),
        "label_free": found.quantities[: found.num_label_free],
        "sentences": found.sentences,
        "failed": {method: found.failed(method) for method in found.estimates},
        "trusted": {method: float(found.trusted[method].mean()) for method in found.estimates},
        "rows": [row._asdict() for row in found.rows()],
    }


def draw(studies: dict) -> None:
    """Coverage of every quantity, one panel for each design."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(studies), figsize=(19, 4.6), sharey=True, sharex=True)
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
        ax.set_title(name.replace(", ", ",\n", 1), fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    axes[0].set_xlabel(f"coverage of {nominal(LEVEL)} intervals")
    figure.tight_layout()
    figure.savefig(HERE / "coverage.svg")


def tables(studies: dict) -> str:
    """Least coverage of each method under each design, as Markdown."""
    head = (
        "| method | label-free, least | parameters, least | clearly off | no interval | doubts "
        "| without doubt, least |\n"
        "| --- | --- | --- | ---: | ---: | ---: | --- |\n"
    )
    return "\n".join(f"*{name}*\n\n{head}{_lines(found)}" for name, found in studies.items())


def _lines(found: dict) -> str:
    lines = []
    for method in sorted(found["failed"], key=_order):
        rows = [row for row in found["rows"] if row["method"] == method]
        free = [row for row in rows if row["quantity"] in found["label_free"]]
        cells = (
            method,
            _least(free),
            _least([row for row in rows if row not in free]),
            f"{sum(is_off(row['coverage'], row['intervals'], LEVEL) for row in rows)} of {len(rows)}",
            percent(found["failed"][method]),
            percent(1 - found["trusted"][method]),
            _least_trusted(rows),
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _order(method: str) -> tuple[int, str]:
    """Maximum likelihood, MAP, VI, NUTS."""
    engine = method.partition(",")[0]
    return ["ML", "MAP", "VI", "NUTS"].index(engine), method


def _least(rows: list[dict]) -> str:
    """The least coverage of several quantities with its 95 % Wilson score interval, and of which."""
    row = min(rows, key=itemgetter("coverage"))
    return f"{percent(row['coverage'])} ({100 * row['low']:.0f}–{100 * row['high']:.0f}), {row['quantity']}"


def _least_trusted(rows: list[dict]) -> str:
    """The same where the method has no doubt of its own: what its user sees."""
    kept = [row for row in rows if row["trusted_intervals"]]
    if not kept:
        return "–"
    row = min(kept, key=itemgetter("trusted"))
    return f"{percent(row['trusted'])} of {row['trusted_intervals']}, {row['quantity']}"


def usable_cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def keep_to_one(cores) -> None:
    """Let this process use one core: programs so small take twice the processor's time if they share out their work."""
    if hasattr(os, "sched_setaffinity"):  # on Linux alone
        os.sched_setaffinity(0, {cores.get()})


def main() -> None:
    """Run the designs, one on each core, and write what was found."""
    begin, context = time.perf_counter(), get_context("spawn")
    cores, free = context.Queue(), usable_cores()
    for core in free:
        cores.put(core)
    with TemporaryDirectory() as programs:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = programs  # designs of one size share a program
        with ProcessPoolExecutor(len(free), context, keep_to_one, (cores,)) as pool:
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
    page = HERE / "README.md"
    page.write_text(_TABLES.sub(lambda m: m[1] + tables(studies) + m[2], page.read_text()), encoding="utf-8")


if __name__ == "__main__":
    main()
