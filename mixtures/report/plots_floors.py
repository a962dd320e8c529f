"""The figure of a likelihood without a maximum: what every floor under the variances would make of it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mixtures._numbers import fixed, number
from mixtures.report.svg import BAD, EM, GRID, INK, PAPER, Drawing, new_figure


def floors(value: dict) -> Drawing:
    """The largest log-likelihood against the floor, with the range in which it is the interior maximum's."""
    profile = value["fits"]["ml"]["floor_profile"]

    def draw(width: int) -> Figure:
        figure = new_figure(width, 340 if width > 500 else 300)
        ax = figure.subplots()
        _curve(ax, profile)
        if profile["interior"] is not None:
            _interior(ax, profile)
        ax.set_xlabel("floor, as a fraction of the data’s variance")
        ax.set_ylabel("largest log-likelihood")
        return figure

    return Drawing("floors", _alt(profile), draw)


def _curve(ax: Axes, profile: dict) -> None:
    at, heights = np.asarray(profile["floors"]), np.asarray(profile["log_likelihood"], float)
    ax.plot(at, heights, color=EM, linewidth=2, zorder=3)
    # Where the narrowest component sits on the floor, the value is the floor's own doing.
    held = np.asarray(profile["held"])
    ax.plot(at[held], heights[held], "o", color=EM, markersize=6, markeredgecolor=PAPER, zorder=4)
    ax.set_xscale("log")
    ax.set_xlim(at[0], at[-1])
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_major_formatter(lambda x, _: number(x, 1))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.grid(axis="y", color=GRID)
    if held[0]:
        ax.annotate(
            "and so on, without end", (at[0], heights[0]), xytext=(22, 0), textcoords="offset points", va="center",
            color=BAD, fontsize=11,
        )  # fmt: skip


def _interior(ax: Axes, profile: dict) -> None:
    """A line at the interior maximum, and a band over the floors that leave it the largest."""
    height, plateau = profile["interior"], profile["plateau"]
    ax.axhline(height, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    label = f"interior maximum, {fixed(height, 2)}"
    right = plateau is None or plateau["low"] > 1e-6
    place = (0.0, "left", 8) if right else (1.0, "right", -8)
    ax.annotate(
        label, (place[0], height), xycoords=("axes fraction", "data"), xytext=(place[2], -4),
        textcoords="offset points", ha=place[1], va="top", color=INK, fontsize=11,
    )  # fmt: skip
    if plateau is not None:
        ax.axvspan(plateau["low"], plateau["high"], color=EM, alpha=0.16, linewidth=0, zorder=1)


def _alt(profile: dict) -> str:
    at, heights = profile["floors"], profile["log_likelihood"]
    shown = [f"{fixed(heights[i], 1)} at {number(at[i], 1)}" for i in np.linspace(0, len(at) - 1, 7).astype(int)]
    return f"Largest log-likelihood by variance floor: {', '.join(shown)}. " + " ".join(profile["sentences"])
