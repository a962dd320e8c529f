"""Figures of the chains: traces of the log joint density and rank histograms."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from mixtures.bayes.posterior import Posterior
from mixtures.report.svg import BAD, GRID, INK, NUTS, Drawing, new_figure
from mixtures.report.words import number, parameters

_MOST_CHAINS = 8
_MOST_PANELS = 12
_TRACE_POINTS = 150
_BINS = 20
_UNIFORM = 0.42  # height of a uniform histogram, in units of the distance between chains


def traces(nuts: Posterior) -> Drawing:
    """Log joint density along every chain: label-free, so a chain that is stuck shows itself."""
    log_joint, diverging = np.asarray(nuts.log_joint), np.asarray(nuts.info.diverging)
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

    caption = (
        "The log joint density does not depend on labels. Every panel should look like the same steady noise: a trend, a "
        "different level or a long flat stretch means that the chains do not describe one posterior."
    )
    if diverging.any():
        caption += f" Ticks at the foot mark the {int(diverging.sum())} divergent draws."
    if shown < len(log_joint):
        caption += f" Shown are {shown} of {len(log_joint)} chains."
    means = ", ".join(f"chain {i + 1} mean {number(c.mean(), 5)}, sd {number(c.std(), 3)}" for i, c in enumerate(log_joint[:shown]))
    return Drawing("traces", "Traces of the log joint density", caption, f"Traces of the log joint density: {means}.", draw)


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


def ranks(value: dict, nuts: Posterior) -> Drawing:
    """Rank histograms of every chain: label-free quantities and the parameters with the largest R-hat."""
    quantities = _quantities(value, nuts)

    def draw(width: int) -> Figure:
        columns = 4 if width > 500 else 2
        lines = -(-len(quantities) // columns)
        chains = len(nuts.log_joint)
        figure = new_figure(width, lines * (46 + 26 * min(chains, _MOST_CHAINS)) + 20)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for ax in axes.ravel()[len(quantities) :]:
            ax.set_visible(False)
        for ax, (name, draws) in zip(axes.ravel(), quantities.items(), strict=False):
            _rank_histograms(ax, draws[:_MOST_CHAINS])
            ax.set_title(name if len(name) <= 22 else name[:21] + "…")
        for ax in axes[:, 0]:
            ax.set_ylabel("chain")
        return figure

    everything = len(value["agreement"]) + 2
    caption = (
        "How the ranks of each chain’s draws, among all chains’, are spread from low (left) to high (right). Flat at the "
        "dashed line is good; a chain piled up at one side explores other values than the rest (Vehtari et al. 2021)."
    )
    if len(quantities) < everything:
        caption += f" Shown are {len(quantities)} of {everything} quantities, those with the largest R-hat."
    alt = "Rank histograms per chain. Mean rank of each chain, 0.5 if chains agree: " + "; ".join(
        f"{name} " + ", ".join(f"{r:.2f}" for r in _ranks(draws).mean(axis=1)) for name, draws in list(quantities.items())[:4]
    )
    return Drawing("ranks", "Rank histograms", caption, f"{alt}.", draw)


def _quantities(value: dict, nuts: Posterior) -> dict[str, np.ndarray]:
    found = {"log joint": np.asarray(nuts.log_joint), "log-likelihood": np.asarray(nuts.log_likelihood)}
    estimates = nuts.model.family.estimates(nuts.params)
    rows = sorted(value["agreement"], key=lambda row: -(row["rhat"] or 0.0))[: _MOST_PANELS - len(found)]
    names = [row["parameter"] for row in rows]
    for p in parameters(names, value["data"]["columns"], value["model"]["num_components"]):
        if p.site:
            found[p.name] = np.asarray(estimates[p.site][(..., *p.index)])
    return found


def _ranks(draws: np.ndarray) -> np.ndarray:
    return (rankdata(draws).reshape(draws.shape) - 0.5) / draws.size


def _rank_histograms(ax: Axes, draws: np.ndarray) -> None:
    edges = np.linspace(0, 1, _BINS + 1)
    for chain, ranked in enumerate(_ranks(draws)):
        heights = np.histogram(ranked, edges)[0] / (len(ranked) / _BINS)
        ax.stairs(chain + np.minimum(_UNIFORM * heights, 0.95), edges, baseline=chain, fill=True, color=NUTS, alpha=0.55)
        ax.axhline(chain + _UNIFORM, color=INK, linewidth=0.7, linestyle=(0, (3, 3)))
    ax.set_ylim(len(draws), 0)
    ax.invert_yaxis()
    ax.set_yticks(np.arange(len(draws)) + 0.3, [str(c + 1) for c in range(len(draws))])
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
