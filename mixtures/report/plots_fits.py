"""Figures of the fits: intervals of all engines side by side, and what became of EM's starts."""

import math
from collections import Counter
from operator import itemgetter

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mixtures._numbers import fixed, number
from mixtures.report.svg import BAD, EM, ENGINES, GRID, INK, MUTED, PAPER, Drawing, legend, new_figure
from mixtures.report.words import by_group, short

_MOST_PARAMETERS = 48
_LOG_RANGE = 20.0  # largest over smallest estimate, beyond which positive parameters get a logarithmic axis
_LABELLED_MODES = 5  # with more of them only the best one is labelled
_ROW, _OFFSET = 34, 0.24


def intervals(value: dict) -> Drawing:
    """Central 89 % intervals of every engine, grouped by kind of parameter, each kind on its own scale."""
    rows = value["agreement"]
    limit = sorted(map(_disagreement, rows), reverse=True)[:_MOST_PARAMETERS][-1]
    kept = [row for row in rows if _disagreement(row) >= limit][:_MOST_PARAMETERS]
    groups = list(by_group(kept, itemgetter("group")).values())

    def draw(width: int) -> Figure:
        columns = min(3 if width > 500 else 1, len(groups))
        lines = [groups[i : i + columns] for i in range(0, len(groups), columns)]
        heights = [max(len(g) for g in line) + 1.6 for line in lines]
        figure = new_figure(width, int(40 + _ROW * sum(heights)))
        axes = figure.subplots(len(lines), columns, squeeze=False, height_ratios=heights)
        for i, ax in enumerate(axes.ravel()):
            if i < len(groups):
                _forest(ax, groups[i])
            else:
                ax.remove()
        engines = [n for n in ENGINES if any(_centre(n, row) is not None for row in kept)]
        legend(figure, engines, lines=False)
        return figure

    note = ""
    if value["fits"]["map"]["estimates"] is None:
        note += " There is no MAP estimate."
    elif value["fits"]["map"]["standard_errors"] is None:
        note += " The MAP estimate has no standard errors, so it is a dot without a line."
    if value["fits"]["nuts"]["status"] != "converged":
        note += " NUTS did not converge, so nothing of it is shown."
    if len(kept) < len(rows):
        note += f" Shown are the {len(kept)} of {len(rows)} parameters on which the engines differ most."
    return Drawing("intervals", _intervals_alt(kept), draw, note)


def _disagreement(row: dict) -> float:
    z, ratio = row["z"], row["width_ratio"]
    return abs(z or 0.0) + (abs(math.log(ratio)) if ratio else 0.0)


def _centre(engine: str, row: dict) -> float | None:
    return row["map"] if engine == "map" else row[f"{engine}_mean"]


def _interval(engine: str, row: dict) -> tuple[float, float] | None:
    interval = row[f"{engine}_interval"]
    return None if interval is None or None in interval else tuple(interval)


def _forest(ax: Axes, group: list[dict]) -> None:
    """One strip for each parameter of a group; means, which lie far apart, as distances from their MAP."""
    first = group[0]
    from_map = first["key"] == "means" and all(row["map"] is not None for row in group)
    ax.set_title(short(first["group"]) + (" − MAP" if from_map else ""))
    labels = []
    for i, row in enumerate(group):
        origin = row["map"] if from_map else 0.0
        for (name, engine), offset in zip(ENGINES.items(), (-_OFFSET, 0.0, _OFFSET), strict=True):
            centre, interval = _centre(name, row), _interval(name, row)
            if interval is not None:
                ax.plot([end - origin for end in interval], [i + offset] * 2, color=engine.colour, linewidth=2.2)
            if centre is not None:
                ax.plot(
                    centre - origin, i + offset, engine.marker, color=engine.colour, markersize=6, markeredgecolor=PAPER
                )
        labels.append(
            short(row["label"].removeprefix("component ").removesuffix(" components"))
            + (f"  ({number(origin)})" if from_map else "")
        )
    ax.xaxis.set_major_locator(MaxNLocator(4))
    if first["support"] == "positive":
        _maybe_logarithmic(ax, group)
    ax.set_yticks(range(len(group)), labels)
    ax.set_ylim(len(group) - 0.5, -0.5)
    ax.grid(axis="x", color=GRID)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _maybe_logarithmic(ax: Axes, group: list[dict]) -> None:
    centres = [centre for row in group for e in ENGINES if (centre := _centre(e, row)) is not None]
    if max(centres) > _LOG_RANGE * min(centres):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=8))
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(f"{short(group[0]['group'])} (log scale)")


def _intervals_alt(rows: list[dict]) -> str:
    parts = ["Point estimates and 89 % intervals."]
    for row in rows[:30]:
        found = [(e.label, _centre(n, row), _interval(n, row)) for n, e in ENGINES.items()]
        said = [
            f"{label} {number(centre)}" + (f" from {number(ends[0])} to {number(ends[1])}" if ends else "")
            for label, centre, ends in found
            if centre is not None
        ]
        parts.append(f"{row['group']}, {row['label']}: {'; '.join(said)}.")
    if len(rows) > 30:
        parts.append(f"{len(rows) - 30} more are in the parameter table.")
    return " ".join(parts)


def starts(value: dict) -> Drawing:
    """Objectives that EM's starts ended in, with collapsed starts apart: their objective has no meaning."""
    fits = {"Maximum likelihood: log-likelihood": value["fits"]["ml"], "MAP: log joint": value["fits"]["map"]}
    lost = [_lost_starts(fit) for fit in fits.values()]

    def draw(width: int) -> Figure:
        figure = new_figure(width, 380)
        room = max(map(len, lost))
        axes = figure.subplots(2, 2, squeeze=False, width_ratios=[5 if width > 500 else 3, room], sharey="row")
        for (interior, apart), (title, fit), bars in zip(axes, fits.items(), lost, strict=True):
            _modes(interior, fit["starts"]["modes"])
            interior.set_title(title)
            _lost(apart, bars)
            interior.set_ylim(0, 1.15 * max(1, *bars.values(), *(mode["hits"] for mode in fit["starts"]["modes"])))
        return figure

    return Drawing("starts", _starts_alt(value), draw)


def _modes(ax: Axes, modes: list[dict]) -> None:
    if not modes:
        ax.text(0.5, 0.5, "no interior maximum found", transform=ax.transAxes, ha="center", color=INK)
        ax.set_xticks([])
        ax.set_yticks([])
        return
    at, hits = [m["objective"] for m in modes], [m["hits"] for m in modes]
    ax.vlines(at, 0, hits, color=EM, linewidth=1.6)
    others = ax.plot(at[1:], hits[1:], "o", color=EM, markerfacecolor=PAPER, markersize=7, clip_on=False)
    others[0].set_in_layout(False)  # no points have no extent, which upsets the layout
    ax.plot(at[:1], hits[:1], "o", color=EM, markersize=8, clip_on=False)
    span = max(at[0] - at[-1], 1.0)
    for mode in modes[: 2 if len(modes) <= _LABELLED_MODES else 1]:
        left = mode["objective"] < at[0] - span / 2
        ax.annotate(
            f"{fixed(mode['objective'], 2)}, {mode['hits']} ×", (mode["objective"], mode["hits"]), va="center",
            xytext=(9 if left else -9, 0), textcoords="offset points", ha="left" if left else "right", fontsize=11,
        )  # fmt: skip
    ax.set_xlim(at[-1] - 0.1 * span, at[0] + 0.06 * span)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_ylabel("starts")
    ax.grid(axis="y", color=GRID)


def _lost_starts(fit: dict) -> dict[str, int]:
    """How many starts reached no maximum: those that collapsed, and where there are any, the others."""
    counts = Counter(fit["starts"]["statuses"])
    others = counts.total() - counts["collapsed"] - counts["converged"]
    return {"climbed\nto infinity": counts["collapsed"]} | ({"did not\nconverge": others} if others else {})


def _lost(ax: Axes, bars: dict[str, int]) -> None:
    for place, hits in enumerate(bars.values()):
        ax.bar(place, hits, width=0.5, color=BAD, alpha=0.75)
        ax.text(place, hits, f" {hits}", ha="center", va="bottom", color=INK if hits else MUTED, fontsize=11)
    ax.set_xticks(range(len(bars)), list(bars))
    ax.set_xlim(-0.6, len(bars) - 0.4)
    ax.tick_params(left=False, labelleft=False)
    ax.spines["left"].set_visible(False)


def _starts_alt(value: dict) -> str:
    parts = []
    for name, fit in (("Maximum likelihood", value["fits"]["ml"]), ("MAP", value["fits"]["map"])):
        found = [f"{fixed(m['objective'], 3)} ({m['hits']} starts)" for m in fit["starts"]["modes"][:5]]
        parts.append(
            f"{name}, {fit['starts']['count']} starts: "
            + (f"best maxima {', '.join(found)}" if found else "no interior maximum")
            + f". {fit['starts']['words']}"
        )
    return " ".join(parts)
