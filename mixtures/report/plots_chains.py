"""Figures of the chains: traces of the log joint density and rank histograms."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixtures._numbers import number
from mixtures.report.svg import BAD, GRID, INK, MUTED, NUTS, Drawing, new_figure

_PANEL_WIDTH, _TITLE_HEIGHT = 1.1, 1.2  # in units of one histogram's width, and of the distance between chains
_UNIFORM = 0.5  # height of a uniform histogram, in units of the distance between chains


def traces(value: dict) -> Drawing:
    """Log joint density along every chain: label-free, so a chain that is stuck shows itself."""
    chains, omitted = value["sketches"]["traces"]["chains"], value["sketches"]["traces"]["omitted_chains"]
    shown, divergences = len(chains), value["fits"]["nuts"]["divergences"]

    def draw(width: int) -> Figure:
        columns = min(4 if width > 500 else 2, shown)
        lines = -(-shown // columns)
        figure = new_figure(width, 40 + 130 * lines)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for i, ax in enumerate(axes.ravel()):
            if i < shown:
                _trace(ax, chains[i])
                ax.set_title(f"chain {i + 1}")
            else:
                ax.set_visible(False)
        for ax in axes[:, 0]:
            ax.set_ylabel("log joint")
        for ax in axes[-1]:
            ax.set_xlabel("draw")
        return figure

    note = ""
    if divergences:
        note += f" Ticks at the foot mark the {divergences} divergent draws."
    if omitted:
        note += f" Shown are {shown} of {shown + omitted} chains."
    levels = [f"chain {i + 1} mean {number(c['mean'], 5)}, sd {number(c['sd'], 3)}" for i, c in enumerate(chains)]
    return Drawing("traces", f"Traces of the log joint density: {'; '.join(levels)}.", draw, note)


def _trace(ax: Axes, chain: dict) -> None:
    ax.plot(chain["draws"], np.asarray(chain["log_joint"], float), color=NUTS, linewidth=0.8)
    ax.plot(chain["diverging"], np.full(len(chain["diverging"]), 0.02), "|", color=BAD,
            transform=ax.get_xaxis_transform(), markersize=8)  # fmt: skip
    ax.locator_params(axis="x", nbins=3)
    ax.grid(axis="y", color=GRID)


def ranks(value: dict) -> Drawing:
    """Rank histograms of every chain: label-free quantities and the parameters with the largest R-hat."""
    quantities = value["sketches"]["ranks"]

    def draw(width: int) -> Figure:
        columns, chains = 4 if width > 500 else 2, len(quantities[0]["counts"])
        lines = -(-len(quantities) // columns)
        figure = new_figure(width, lines * (34 + 22 * chains))
        ax = figure.subplots()
        for i, quantity in enumerate(quantities):
            left, foot = i % columns * _PANEL_WIDTH, -(i // columns) * (chains + _TITLE_HEIGHT)
            ax.text(left, foot + chains + 0.15, quantity["name"], va="bottom")
            _rank_histograms(ax, np.asarray(quantity["counts"]), left, foot)
        for line in range(lines):
            for chain in range(chains):
                at = chain + 0.2 - line * (chains + _TITLE_HEIGHT)
                ax.text(-0.03, at, str(chain + 1), ha="right", fontsize=11, color=MUTED)
        ax.set_xlim(-0.08, columns * _PANEL_WIDTH)
        ax.set_ylim(-(lines - 1) * (chains + _TITLE_HEIGHT), chains + _TITLE_HEIGHT)
        ax.set_axis_off()
        return figure

    note, everything = "", len(value["agreement"]) + 2
    if len(quantities) < everything:
        note = f" Shown are {len(quantities)} of {everything} quantities, the parameters with the largest R-hat."
    said = "; ".join(f"{q['name']} {', '.join(f'{r:.2f}' for r in q['mean_rank'])}" for q in quantities)
    return Drawing("ranks", f"Rank histograms. Mean rank of each chain, 0.5 if all agree: {said}.", draw, note)


def _rank_histograms(ax: Axes, counts: np.ndarray, left: float, foot: float) -> None:
    """One strip for each chain, stacked up from `foot`; a uniform histogram reaches the dashed line."""
    edges = left + np.linspace(0, 1, counts.shape[1] + 1)
    for chain, heights in enumerate(_UNIFORM * counts / counts.mean(axis=1, keepdims=True)):
        base = foot + chain
        ax.stairs(base + np.minimum(heights, 0.95), edges, baseline=base, fill=True, color=NUTS, alpha=0.55)
    uniform = foot + np.arange(len(counts)) + _UNIFORM
    ax.hlines(uniform, left, left + 1, color=INK, linewidth=0.7, linestyle=(0, (3, 3)))
