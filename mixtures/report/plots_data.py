"""Figures of the data: densities over it, and which component each row belongs to."""

from functools import partial
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke

from mixtures._numbers import number
from mixtures.report.model_words import part_name
from mixtures.report.sketches import MOST_FEATURES
from mixtures.report.svg import ENGINES, GRID, INK, MUTED, PAPER, Drawing, Engine, legend, new_figure

_MOST_BARS = 60  # rows shown in the responsibilities figure
_MOST_PANELS = 6
_MOST_SMALL = 300  # points of a small multiple
_ELLIPSE = np.sqrt(-2 * np.log(0.11))  # radius that holds 89 % of a two-dimensional Gaussian


def density(value: dict) -> Drawing:
    """The data with the three densities; for several features also every pair of them."""
    return _series(value) if len(value["data"]["columns"]) == 1 else _pairs(value)


def _series(value: dict) -> Drawing:
    stems = value["sketches"]["stems"]

    def draw(width: int) -> Figure:
        figure = new_figure(width, 380 if width > 500 else 330)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        _marginal(above, value, 0)
        above.set_ylabel("density")
        for k, mean in enumerate(_map_means(value)):
            place = above.get_xaxis_transform()
            above.text(mean[0], 1, str(k + 1), transform=place, ha="center", va="bottom", color=MUTED, fontsize=11)
        _stems(below, np.asarray(stems["values"]), np.asarray(stems["counts"]))
        below.set_xlabel(value["data"]["columns"][0])
        legend(figure, _shown(value))
        return figure

    distinct, drawn = value["data"]["distinct_rows"], len(stems["values"])
    note = f" Of {distinct} distinct values {drawn} have a stem." if distinct > drawn else ""
    return Drawing("density", _density_alt(value), draw, note)


def small_multiple(value: dict) -> Drawing:
    """The densities of one feature, or the components of the first two, without any words."""

    def draw(width: int) -> Figure:
        figure = new_figure(width, int(0.6 * width))
        ax = figure.subplots()
        if len(value["data"]["columns"]) == 1:
            _marginal(ax, value, 0)
        else:
            _scatter(ax, value, np.asarray(value["sketches"]["points"]["values"])[:_MOST_SMALL], 0, 1)
        ax.set_yticks([])
        ax.locator_params(axis="x", nbins=4)
        return figure

    return Drawing("small", _density_alt(value), draw)


def _map_means(value: dict) -> list[list[float]]:
    estimates = value["fits"]["map"]["estimates"]
    return [] if estimates is None else estimates["means"]


def _shown(value: dict) -> list[str]:
    return [name for name in ENGINES if value["density"][name] is not None]


def _density_alt(value: dict) -> str:
    parts = [f"Histogram of {value['data']['rows']} rows with fitted densities."]
    for d, column in enumerate(value["data"]["columns"][:MOST_FEATURES]):
        for name in _shown(value):
            heights, grid = value["density"][name][d], value["density"]["grid"][d]
            top = int(np.argmax([h or 0 for h in heights]))
            where = f"highest at {column} = {number(grid[top])}, density {number(heights[top], 3)}."
            parts.append(f"{ENGINES[name].label}: {where}")
    return " ".join(parts)


def _marginal(ax: Axes, value: dict, d: int) -> None:
    """Histogram of one feature with the marginal densities over it."""
    grid, curves = np.asarray(value["density"]["grid"][d]), value["density"]
    bars = value["sketches"]["histograms"][d]
    ax.stairs(bars["heights"], bars["edges"], fill=True, color=INK, alpha=0.13, linewidth=0)
    if curves["nuts_band"] is not None:
        low, high = np.asarray(curves["nuts_band"][d], float)
        ax.fill_between(grid, low, high, color=ENGINES["nuts"].colour, alpha=0.18, linewidth=0)
    for name in reversed(_shown(value)):
        engine = ENGINES[name]
        halo = [] if name == "nuts" else [withStroke(linewidth=3.6, foreground=PAPER)]  # seen where lines coincide
        ax.plot(
            grid, np.asarray(curves[name][d], float), color=engine.colour, linestyle=engine.line, linewidth=2,
            path_effects=halo, dash_capstyle="butt",
        )  # fmt: skip
    ax.set_xlim(grid[0], grid[-1])
    ax.set_ylim(0)


def _stems(ax: Axes, values: np.ndarray, counts: np.ndarray) -> None:
    """How often each value occurs, the most frequent ones named."""
    ax.vlines(values, 0, counts, color=INK, linewidth=1.2, alpha=0.75)
    for i in np.argsort(-counts, kind="stable")[:2]:
        if counts[i] > 2:
            left = values[i] > (values[0] + values[-1]) / 2
            ax.annotate(
                f"{counts[i]} × {values[i]:g}", (values[i], counts[i]), xytext=(-5 if left else 5, 0), va="top",
                textcoords="offset points", ha="right" if left else "left", fontsize=11, color=INK,
            )  # fmt: skip
    ax.set_ylim(0, max(3, counts.max()) * 1.05)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylabel("rows", rotation=0, ha="right", va="center")


def _pairs(value: dict) -> Drawing:
    columns, shown = value["data"]["columns"][:MOST_FEATURES], np.asarray(value["sketches"]["points"]["values"])

    def draw(width: int) -> Figure:
        size = len(columns)
        figure = new_figure(width, min(width, 560) if width > 500 else width + 20)
        axes = figure.subplots(size, size, sharex="col", squeeze=False)
        for a, column in enumerate(columns):
            _marginal(axes[a, a], value, a)
            axes[a, a].set_yticks([])
            axes[-1, a].set_xlabel(column)
        for a, b in combinations(range(size), 2):
            axes[a, b].remove()
            _scatter(axes[b, a], value, shown, a, b)
            axes[b, a].set_ylabel(columns[b] if a == 0 else "")
            axes[b, a].tick_params(labelleft=a == 0)
        legend(figure, _shown(value))
        return figure

    note, left_out = "", len(value["data"]["columns"]) - len(columns)
    if left_out:
        note += f" Shown are the first {len(columns)} features; {left_out} more are in the tables."
    if len(shown) < value["data"]["rows"]:
        note += f" Of {value['data']['rows']} rows {len(shown)} are drawn, chosen at random."
    return Drawing("density", _density_alt(value), draw, note)


def _scatter(ax: Axes, value: dict, x: np.ndarray, a: int, b: int) -> None:
    # Strokes of no length with round ends: dots at a sixth of the size that markers would take in the page.
    dots = [np.column_stack([column, column, np.full(len(x), np.nan)]).ravel() for column in (x[:, a], x[:, b])]
    ax.plot(*dots, color=INK, alpha=0.4, linewidth=3 if len(x) < 500 else 2)
    for name in _shown(value):
        estimates = value["fits"][name]["estimates"]
        if estimates is None:  # which component is which is not clear
            continue
        for mean, covariance in zip(estimates["means"], estimates["covariances"], strict=True):
            ax.add_patch(_ellipse(mean, np.asarray(covariance, float), a, b, ENGINES[name]))
    for k, mean in enumerate(_map_means(value)):
        ax.text(mean[a], mean[b], str(k + 1), ha="center", va="center", color=INK, fontsize=12, fontweight="bold")
    ax.autoscale_view()


def _ellipse(mean: list, covariance: np.ndarray, a: int, b: int, engine: Engine) -> Ellipse:
    variances, axes = np.linalg.eigh(covariance[np.ix_([a, b], [a, b])])
    length = 2 * _ELLIPSE * np.sqrt(np.maximum(variances, 0))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    look = {"fill": False, "color": engine.colour, "linestyle": engine.line, "linewidth": 1.8}
    return Ellipse((mean[a], mean[b]), length[1], length[0], angle=angle, **look)


def responsibilities(value: dict) -> Drawing:
    """Each row's probability of each component, under MAP and under NUTS with its uncertainty."""
    shares = value["clustering"]["responsibilities"]
    order, ordered_by = _row_order(value)
    rows = np.asarray(shares["rows"])[order]
    written = {name: shares[name] for name in ("map", "nuts", "nuts_sd")}
    chosen = {name: None if v is None else np.asarray(v, float)[order] for name, v in written.items()}
    values = np.asarray(shares["values"])[order]
    panels = _widest(chosen)

    def draw(width: int) -> Figure:
        figure = new_figure(width, 60 + (104 if width > 500 else 92) * len(panels))
        axes = np.ravel(figure.subplots(len(panels), 1, sharex=True))
        for ax, k in zip(axes, panels, strict=True):
            _shares(ax, chosen, k)
            ax.set_xlim(-0.5, len(rows) - 0.5)
            ax.set_title(part_name(int(k), value["model"]["num_components"]), color=MUTED)
        _row_ticks(axes[-1], values, value["data"]["columns"], 9 if width > 500 else 5)
        axes[-1].set_xlabel(ordered_by)
        legend(figure, [name for name in ("map", "nuts") if chosen[name] is not None], lines=False)
        return figure

    note = ""
    if len(rows) < value["data"]["rows"]:
        note += f" Shown are the {len(rows)} most ambiguous of {value['data']['rows']} rows."
    if len(panels) < value["model"]["num_components"] + value["model"]["noise"]:
        note += f" Shown are the {len(panels)} components with the widest bands."
    return Drawing("responsibilities", _shares_alt(value, rows), draw, note)


def _row_order(value: dict) -> tuple[np.ndarray, str]:
    """Which of the written responsibilities to draw, and what they are ordered by."""
    shares = value["clustering"]["responsibilities"]
    best = np.asarray(shares["map"] if shares["nuts"] is None else shares["nuts"], float)
    chosen = np.argsort(best.max(axis=1), kind="stable")[:_MOST_BARS]
    x = np.asarray(shares["values"])
    if x.shape[1] == 1:
        order = chosen[np.argsort(x[chosen, 0], kind="stable")]
        return order, f"rows, ordered by {value['data']['columns'][0]}"
    component = best.argmax(axis=1)
    order = chosen[np.lexsort((-best.max(axis=1)[chosen], component[chosen]))]
    return order, "rows, by most probable component, surest first"


def _widest(chosen: dict) -> np.ndarray:
    spread = chosen["map"].std(axis=0) if chosen["nuts_sd"] is None else chosen["nuts_sd"].mean(axis=0)
    return np.sort(np.argsort(-spread, kind="stable")[:_MOST_PANELS])


def _shares(ax: Axes, chosen: dict, k: int) -> None:
    if chosen["nuts"] is not None:
        mean, sd, colour = chosen["nuts"][:, k], chosen["nuts_sd"][:, k], ENGINES["nuts"].colour
        low, high, place = np.clip(mean - sd, 0, 1), np.clip(mean + sd, 0, 1), np.arange(len(mean))
        ax.fill_between(place, low, high, step="mid", color=colour, alpha=0.22, linewidth=0)
        ax.step(place, mean, where="mid", color=colour, linewidth=1.6)
    if chosen["map"] is not None:
        engine, at_map = ENGINES["map"], chosen["map"][:, k]
        edge = {"markeredgecolor": PAPER, "markeredgewidth": 0.6}
        ax.plot(at_map, engine.marker, markersize=4, color=engine.colour, clip_on=False, **edge)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    ax.grid(axis="y", color=GRID)


def _row_ticks(ax: Axes, values: np.ndarray, columns: list[str], count: int) -> None:
    if len(columns) > 1:
        ax.set_xticks([])
        return
    ticks = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    ax.set_xticks(ticks, [f"{values[i, 0]:.4g}" for i in ticks])


def _shares_alt(value: dict, rows: np.ndarray) -> str:
    shares, clusters = value["clustering"]["responsibilities"], value["clustering"]["sizes"]
    parts = [f"Probability of each component for {len(rows)} rows."]
    name = partial(part_name, num_components=value["model"]["num_components"])
    if clusters is not None:
        parts.append("MAP cluster sizes: " + ", ".join(f"{name(k)} {n}" for k, n in enumerate(clusters)) + ".")
    if shares["nuts_sd"] is not None:
        sd = np.asarray(shares["nuts_sd"], float).max(axis=1)
        parts.append(f"{int((sd > 0.2).sum())} rows have a posterior standard deviation above 0.2.")
    return " ".join(parts)
