"""The figure of a calibration: what the intervals of each method covered, a point for every quantity."""

import numpy as np
from matplotlib.figure import Figure

from mixtures._numbers import percent
from mixtures.report.svg import EM, GRID, INK, NUTS, PAPER, VI, Drawing, new_figure

_LINE = 34  # pixels for each method
_SPREAD = 0.24  # of the points of one method, up and down, so that they do not hide each other


def coverages(value: dict) -> Drawing:
    """Draw the coverage of every method of `value`, the content of a calibration."""
    methods, level = [one["name"] for one in value["methods"]], value["level"]
    rows = {name: [r for r in value["rows"] if r["method"] == name and r["coverage"] is not None] for name in methods}
    noise = 1.96 * np.sqrt(level * (1 - level) / value["num_simulations"])

    def draw(width: int) -> Figure:
        figure = new_figure(width, 90 + _LINE * len(methods))
        ax = figure.subplots()
        ax.axvspan(level - noise, level + noise, color=GRID, linewidth=0)
        ax.axvline(level, color=INK, linewidth=1)
        for line, name in enumerate(methods):
            colour = {"VI": VI, "NUTS": NUTS}.get(name, EM)
            for place, row in zip(np.linspace(-_SPREAD, _SPREAD, max(1, len(rows[name]))), rows[name], strict=False):
                free = row["quantity"] in value["label_free"]
                ax.plot(
                    row["coverage"],
                    line + place,
                    marker="o" if free else "D",
                    markersize=5,
                    markerfacecolor=colour if free else PAPER,
                    markeredgecolor=colour,
                    linestyle="",
                )
        ax.set_yticks(range(len(methods)), methods)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        ax.set_xlim(right=1.01)
        ax.set_xlabel(f"share of {percent(level)} intervals that hold the truth")
        ax.xaxis.set_major_formatter(lambda share, _: percent(share))
        return figure

    told = [
        f"{name} {percent(min(r['coverage'] for r in rows[name]))} to {percent(max(r['coverage'] for r in rows[name]))}"
        for name in methods
        if rows[name]
    ]
    return Drawing("coverage", f"Coverage of intervals called {percent(level)}: {'; '.join(told)}.", draw)
