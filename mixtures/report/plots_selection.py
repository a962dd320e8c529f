"""The figure of a selection: the criterion against the number of components, one line a covariance model."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from mixtures._numbers import fixed
from mixtures.report.svg import BAD, EM, GRID, INK, MUTED, NUTS, PAPER, VI, Drawing, new_figure

_HEIGHT = 400
_FIRST = ((EM, "o"), (NUTS, "D"), (VI, "s"))  # of the three best models; the others are grey
_ROOM = 4  # the figure's height, in distances from the best candidate to the middle one
_LABEL = 14  # pixels that the name at a line's end needs

Lines = dict[str, list[dict]]


def criterion_curves(value: dict) -> Drawing:
    """Draw the candidates of `value`, the content of a selection."""
    name = value["criterion_name"]
    lines = _lines(value["candidates"])
    floor = _floor([c["value"] for points in lines.values() for c in points])

    def draw(width: int) -> Figure:
        figure = new_figure(width, _HEIGHT)
        ax = figure.subplots()
        for place, points in reversed(list(enumerate(lines.values()))):
            _curve(ax, points, *(_FIRST[place] if place < len(_FIRST) else (MUTED, "")))
        _mark_best(ax, value["best"])
        ax.set_xlabel("components")
        ax.set_ylabel(f"{name} (larger is better)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.grid(axis="y", color=GRID)
        ax.margins(x=0.05)
        low, high = ax.dataLim.intervaly
        low = max(low, floor)
        room = 0.08 * (high - low) or 1.0
        ax.set_ylim(low - room, high + room)
        _name_lines(ax, lines)
        _legend(figure, value)
        return figure

    return Drawing("selection", _alt(value, name), draw, _say_hidden(lines, floor))


def _floor(values: list[float]) -> float:
    """Where to cut the figure, so that a few hopeless candidates do not press all others together."""
    highest = sorted(values, reverse=True)
    return highest[0] - _ROOM * (highest[0] - highest[len(highest) // 2]) if values else 0.0


def _say_hidden(lines: Lines, floor: float) -> str:
    hidden = sum(c["value"] < floor for points in lines.values() for c in points)
    return f"{hidden} of the candidates lie below the figure; the table has them." if hidden else ""


def _lines(candidates: list[dict]) -> Lines:
    """The estimates of each covariance model in the order of K; the model with the best sound one first."""
    found: Lines = {}
    for c in candidates:  # best first
        if c["value"] is not None:
            found.setdefault(c["code"], []).append(c)
    return {code: sorted(points, key=lambda c: c["num_components"]) for code, points in found.items()}


def _curve(ax: Axes, points: list[dict], colour: str, marker: str) -> None:
    at, height = [c["num_components"] for c in points], [c["value"] for c in points]
    first = marker != ""
    ax.plot(at, height, color=colour, linewidth=1.8 if first else 0.9, zorder=3 if first else 2)
    for c in points:
        mark, ink = ("x", BAD) if c["spurious"] else (marker or ".", colour)
        hollow = c["unbounded"] and not c["spurious"]
        ax.plot(
            c["num_components"], c["value"], linestyle="none", marker=mark, color=ink, zorder=5 if mark == "x" else 4,
            markersize=6 if first or mark == "x" else 5, markerfacecolor=PAPER if hollow else ink,
        )  # fmt: skip


def _mark_best(ax: Axes, best: dict | None) -> None:
    if best is not None:
        ax.plot(best["num_components"], best["value"], "o", markersize=15, markerfacecolor="none", color=INK, zorder=6)


def _name_lines(ax: Axes, lines: Lines) -> None:
    """Write each model's code at the right end of its line, moved apart where they would overlap."""
    if not lines:
        return
    low, high = ax.get_ylim()
    per_pixel = (high - low) / (_HEIGHT - 90)
    ends = sorted(
        (points[-1]["value"], code, points[-1]["num_components"])
        for code, points in lines.items()
        if points[-1]["value"] >= low
    )
    places: list[float] = []
    for height, _, _ in ends:
        places.append(max(height, places[-1] + _LABEL * per_pixel) if places else height)
    shift = max([0.0, *(place - high for place in places)])
    right = max(points[-1]["num_components"] for points in lines.values())
    order = list(lines)
    for (height, code, end), place in zip(ends, places, strict=True):
        rank = order.index(code)
        colour = _FIRST[rank][0] if rank < len(_FIRST) else MUTED
        ax.annotate(
            code, (end, height), (right, place - shift), textcoords=_beside(ax), va="center", color=colour,
            fontsize=11, annotation_clip=False,
        )  # fmt: skip


def _beside(ax: Axes):
    figure = ax.figure
    assert figure is not None
    return ax.transData + ScaledTranslation(9 / 72, 0, figure.dpi_scale_trans)


def _legend(figure: Figure, value: dict) -> None:
    shown = [c for c in value["candidates"] if c["value"] is not None]
    kinds = {
        "best": (value["best"] is not None, {"marker": "o", "markerfacecolor": "none", "markersize": 12, "color": INK}),
        "likelihood unbounded": (
            any(c["unbounded"] and not c["spurious"] for c in shown),
            {"marker": "o", "markerfacecolor": PAPER, "color": MUTED},
        ),
        "looks spurious": (any(c["spurious"] for c in shown), {"marker": "x", "color": BAD}),
    }
    handles = [Line2D([], [], linestyle="none", label=label, **look) for label, (used, look) in kinds.items() if used]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.3, columnspacing=1)


def _alt(value: dict, name: str) -> str:
    parts = [f"{name} by number of components, one line for each covariance model."]
    for code, points in _lines(value["candidates"]).items():
        parts.append(f"{code}: " + ", ".join(f"{c['num_components']}: {fixed(c['value'], 2)}" for c in points) + ".")
    return " ".join(parts)
