"""Figures of the chains: traces of the log joint density and rank histograms."""

from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.compare.comparison import Comparison
from mixtures.report.svg import BAD, GRID, INK, MUTED, NUTS, Drawing, new_figure
from mixtures.report.words import number, parameters

_MOST_CHAINS = 8
_MOST_PANELS = 8
_TRACE_POINTS = 150
_BINS = 20
_PANEL_WIDTH, _TITLE_HEIGHT = 1.1, 1.2  # in units of one histogram's width, and of the distance between chains
_UNIFORM = 0.5  # height of a uniform histogram, in units of the distance between chains


def traces(nuts: Posterior) -> Drawing:
    """Log joint density along every chain: label-free, so a chain that is stuck shows itself."""
    log_joint, diverging = np.asarray(nuts.log_joint), np.asarray(cast(NUTSInfo, nuts.info).diverging)
    shown = min(len(log_joint), _MOST_CHAINS)

    def draw(width: int) -> Figure:
        columns = min(4 if width > 500 else 2, shown)
        lines = -(-shown // columns)
        figure = new_figure(width, 40 + 130 * lines)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for chain, ax in enumerate(axes.ravel()):
            if chain < shown:
                _trace(ax, log_joint[chain], diverging[chain])
                ax.set_title(f"chain {chain + 1}")
            else:
                ax.set_visible(False)
        for ax in axes[:, 0]:
            ax.set_ylabel("log joint")
        for ax in axes[-1]:
            ax.set_xlabel("draw")
        return figure

    note = ""
    if diverging.any():
        note += f" Ticks at the foot mark the {int(diverging.sum())} divergent draws."
    if shown < len(log_joint):
        note += f" Shown are {shown} of {len(log_joint)} chains."
    levels = [
        f"chain {i + 1} mean {number(c.mean(), 5)}, sd {number(c.std(), 3)}" for i, c in enumerate(log_joint[:shown])
    ]
    return Drawing("traces", f"Traces of the log joint density: {'; '.join(levels)}.", draw, note)


def _trace(ax: Axes, draws: np.ndarray, diverging: np.ndarray) -> None:
    """A line through the lowest and highest draw of each stretch, so that thinning hides no excursion."""
    stretches = np.array_split(np.arange(len(draws)), min(_TRACE_POINTS, len(draws)))
    extremes = [sorted({s[np.argmin(draws[s])], s[np.argmax(draws[s])]}) for s in stretches]
    at = np.concatenate(extremes)
    ax.plot(at, draws[at], color=NUTS, linewidth=0.8)
    ax.plot(np.flatnonzero(diverging)[:200], np.zeros(min(200, diverging.sum())) + 0.02, "|", color=BAD,
            transform=ax.get_xaxis_transform(), markersize=8)  # fmt: skip
    ax.locator_params(axis="x", nbins=3)
    ax.grid(axis="y", color=GRID)


def ranks(value: dict, comparison: Comparison) -> Drawing:
    """Rank histograms of every chain: label-free quantities and the parameters with the largest R-hat."""
    quantities, nuts = _quantities(value, comparison), comparison.nuts

    def draw(width: int) -> Figure:
        columns, chains = 4 if width > 500 else 2, min(len(nuts.log_joint), _MOST_CHAINS)
        lines = -(-len(quantities) // columns)
        figure = new_figure(width, lines * (34 + 22 * chains))
        ax = figure.subplots()
        for i, (name, draws) in enumerate(quantities.items()):
            left, foot = i % columns * _PANEL_WIDTH, -(i // columns) * (chains + _TITLE_HEIGHT)
            ax.text(left, foot + chains + 0.15, name, va="bottom")
            _rank_histograms(ax, draws[:_MOST_CHAINS], left, foot)
        for line in range(lines):
            for chain in range(chains):
                ax.text(
                    -0.03,
                    chain + 0.2 - line * (chains + _TITLE_HEIGHT),
                    str(chain + 1),
                    ha="right",
                    fontsize=11,
                    color=MUTED,
                )
        ax.set_xlim(-0.08, columns * _PANEL_WIDTH)
        ax.set_ylim(-(lines - 1) * (chains + _TITLE_HEIGHT), chains + _TITLE_HEIGHT)
        ax.set_axis_off()
        return figure

    note, everything = "", len(value["agreement"]) + 2
    if len(quantities) < everything:
        note = f" Shown are {len(quantities)} of {everything} quantities, the parameters with the largest R-hat."
    means = {name: ", ".join(f"{r:.2f}" for r in _ranks(draws).mean(axis=1)) for name, draws in quantities.items()}
    said = "; ".join(f"{name} {values}" for name, values in means.items())
    return Drawing("ranks", f"Rank histograms. Mean rank of each chain, 0.5 if all agree: {said}.", draw, note)


def _quantities(value: dict, comparison: Comparison) -> dict[str, np.ndarray]:
    nuts, model = comparison.nuts, comparison.model
    estimates = model.family.estimates(nuts.params)
    found = {"log joint": np.asarray(nuts.log_joint), "log-likelihood": np.asarray(nuts.log_likelihood)}
    rhat = np.asarray([row["rhat"] or 0.0 for row in value["agreement"]])
    every = parameters(model, comparison.data.columns)
    for i in np.sort(np.argsort(-rhat, kind="stable")[: _MOST_PANELS - len(found)]):
        found[every[i].title] = np.asarray(estimates[every[i].free.key][(..., *every[i].free.entry)])
    return found


def _ranks(draws: np.ndarray) -> np.ndarray:
    return (rankdata(draws).reshape(draws.shape) - 0.5) / draws.size


def _rank_histograms(ax: Axes, draws: np.ndarray, left: float, foot: float) -> None:
    """One strip for each chain, stacked up from `foot`; a uniform histogram reaches the dashed line."""
    edges = np.linspace(0, 1, _BINS + 1)
    for chain, ranked in enumerate(_ranks(draws)):
        heights = _UNIFORM * np.histogram(ranked, edges)[0] / (len(ranked) / _BINS)
        base = foot + chain
        ax.stairs(base + np.minimum(heights, 0.95), left + edges, baseline=base, fill=True, color=NUTS, alpha=0.55)
    uniform = foot + np.arange(len(draws)) + _UNIFORM
    ax.hlines(uniform, left, left + 1, color=INK, linewidth=0.7, linestyle=(0, (3, 3)))
