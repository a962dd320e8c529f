"""Speed, as ratios measured side by side in one run: ``uv run --group bench python -m tests.benchmarks``."""

import jax
from rich.console import Console
from rich.table import Table

jax.config.update("jax_enable_x64", True)

from tests.benchmarks import em_iteration, nuts  # noqa: E402  (after the precision is set)


def main() -> None:
    """Run every benchmark and print one table."""
    table = Table("work", "ours", "peer", "peer's", "ratio")
    for rows in (em_iteration.run(), nuts.run()):
        for work, ours, peer, theirs, unit in rows:
            ratio = ours / theirs if unit == "ESS/s" else theirs / ours
            table.add_row(work, f"{ours:,.3g} {unit}", peer, f"{theirs:,.3g} {unit}", f"{ratio:.1f}×")
    Console().print(table)


main()
