"""Speed, as ratios measured side by side in one run: ``uv run --group bench python -m tests.benchmarks``.

The table is printed, and written to reports/benchmarks/README.md. Names of files in this folder, given as arguments,
run those alone, and only print.
"""

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import jax
from rich.console import Console
from rich.table import Table

jax.config.update("jax_enable_x64", True)

from tests.benchmarks import (  # noqa: E402  (after the precision is set)
    bayes,
    bootstrap,
    comparison,
    em_iteration,
    em_peers,
    em_rows,
    em_starts,
    import_time,
    kernel_forms,
    nuts,
)

REPORT = Path(__file__).parents[2] / "reports" / "benchmarks" / "README.md"
PARTS = (
    *(em_iteration, em_rows, kernel_forms, em_starts, em_peers),
    *(bootstrap, nuts, bayes, comparison, import_time),
)
HEADER = ("work", "ours", "peer", "peer's", "ratio")


def measure(parts: Iterable[ModuleType]):
    """Yield the rows of the table, as text."""
    for part in parts:
        for work, ours, peer, theirs, unit in part.run():
            ratio = ours / theirs if unit == "ESS/s" else theirs / ours
            yield work, f"{ours:,.3g} {unit}", peer, f"{theirs:,.3g} {unit}", f"{ratio:.1f}×"


def chosen(names: list[str]) -> tuple[ModuleType, ...]:
    """The parts of these names, or all of them."""
    known = {part.__name__.rpartition(".")[2]: part for part in PARTS}
    if wrong := [name for name in names if name not in known]:
        sys.exit(f"There is no benchmark {wrong[0]!r}; there are {', '.join(known)}.")
    return tuple(known[name] for name in names) or PARTS


def main() -> None:
    """Run the benchmarks asked for, print one table, and write it down where it is of all of them."""
    parts = chosen(sys.argv[1:])
    table, rows = Table(*HEADER), list(measure(parts))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if parts == PARTS:
        write(rows)


def write(rows: list[tuple[str, ...]]) -> None:
    """Replace the committed table."""
    lines = [" | ".join(cells) for cells in (HEADER, ["---"] * len(HEADER), *rows)]
    where = f"Python {platform.python_version()}, JAX {jax.__version__}, {os.cpu_count()} cores, float64."
    text = "\n".join(f"| {line} |" for line in lines)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(
        "# Speed, side by side\n\nMeasured in one run of `uv run --group bench python -m tests.benchmarks`; "
        f"absolute times differ between machines, ratios less so.\n{where}\n\n{text}\n",
        encoding="utf-8",
    )


main()
