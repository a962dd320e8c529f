"""The figure of a calibration: what the intervals of each method covered, a point for every quantity."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixtures._numbers import nominal, percent
from mixtures.report.svg import EM, INK, NUTS, PAPER, VI, Drawing, new_figure

_LINE, _POINT = 34, 5  # pixels for each method, at least, and for each of its points
_SPREAD = 0.34  # of the points of one method, up and down, so that they do not hide each other


def coverages(value: dict) -> Drawing:
    """Draw the coverage of every method of `value`, the content of a calibration, with its 95 % interval."""
    methods, level = [one["name"] for one in value["methods"]], value["level"]
    rows = {name: [r for r in value["rows"] if r["method"] == name and r["intervals"]] for name in methods}

    def draw(width: int) -> Figure:
        each = max(_LINE, _POINT * max(map(len, rows.values())))
        figure = new_figure(width, 90 + each * len(methods))
        ax = figure.subplots()
        ax.axvline(level, color=INK, linewidth=1)
        for line, name in enumerate(methods):
            places = line + np.linspace(-_SPREAD, _SPREAD, max(1, len(rows[name])))
            for place, row in zip(places, rows[name], strict=False):
                _point(ax, row, place, {"VI": VI, "NUTS": NUTS}.get(name, EM), row["quantity"] in value["label_free"])
        ax.set_yticks(range(len(methods)), methods)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        ax.set_xlim(right=1.01)
        ax.set_xlabel(f"share of {nominal(level)} intervals that hold the truth")
        ax.xaxis.set_major_formatter(lambda share, _: percent(share))
        return figure

    told = [
        f"{name} {percent(min(r['coverage'] for r in rows[name]))} to {percent(max(r['coverage'] for r in rows[name]))}"
        for name in methods
        if rows[name]
    ]
    return Drawing("coverage", f"Coverage of intervals called {nominal(level)}: {'; '.join(told)}.", draw)


def _point(ax: Axes, row: dict, place: float, colour: str, label_free: bool) -> None:
    """One quantity: a filled point if it does not depend on labels, a hollow one if it does."""
    ax.plot((row["low"], row["high"]), (place, place), color=colour, linewidth=1, alpha=0.5)
    ax.plot(
        row["coverage"],
        place,
        marker="o" if label_free else "D",
        markersize=5,
        markerfacecolor=colour if label_free else PAPER,
        markeredgecolor=colour,
        linestyle="",
    )
