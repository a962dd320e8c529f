"""Matplotlib figures as inline SVG that takes its colours and font from the page around it."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

# Stand-in colours, by the CSS variable that replaces each when the figure is written.
INK, MUTED, GRID, EM, VI, NUTS, PAPER, BAD = (f"#{i:02x}{i:02x}{i:02x}" for i in range(1, 9))
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", EM: "em", VI: "vi", NUTS: "nuts", PAPER: "paper", BAD: "bad"}


class Engine(NamedTuple):
    """How one engine looks in every figure; told apart by line and marker as well as by colour."""

    label: str
    colour: str
    line: Literal["-"] | tuple[float, tuple[float, ...]]
    marker: str


ENGINES = {
    "map": Engine("EM (MAP)", EM, (0, (5, 2)), "o"),
    "vi": Engine("VI", VI, (0, (1, 1.4)), "s"),
    "nuts": Engine("NUTS", NUTS, "-", "D"),
}


@dataclass(frozen=True)
class Drawing:
    """A figure to be drawn at any width, with its alternative text."""

    name: str
    alt: str
    draw: Callable[[int], Figure]
    note: str = ""  # what is left out of it


_LONG_PATH = 400  # characters; a tenth of a pixel is enough in curves, not in markers
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's font
    "svg.hashsalt": "mixtures",  # the same figure is written the same way twice
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "path.simplify": False,
    "text.parse_math": False,  # a column may be called "a$b$"
    "legend.frameon": False,
    "legend.fontsize": 11,
}


@contextmanager
def drawing_style():
    """Set the report's drawing style for figures made inside."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width: int, height: int) -> Figure:
    """A figure of `width` × `height` CSS pixels."""
    layout = ConstrainedLayoutEngine(w_pad=3 / 72, h_pad=5 / 72)
    return Figure((width / 72, height / 72), dpi=72, layout=layout)


def legend(figure: Figure, engines: list[str], lines: bool = True) -> None:
    """Name the engines above the figure, each with its colour, line and marker."""
    chosen = [ENGINES[name] for name in engines]
    handles = [Line2D([], [], linestyle=e.line, marker=e.marker, color=e.colour, label=e.label) for e in chosen]
    for handle in handles:
        handle.set(marker="") if lines else handle.set(linestyle="none")
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=2.2)


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Write a figure as one SVG element.

    Parameters
    ----------
    figure
        Drawn with the colours of this module, inside `drawing_style`.
    name
        Prefix of the ids, unique in the page.
    label
        Text for people who do not see the figure.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the glyph; only widths are guessed
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # `savefig` draws everything once more
    root = ElementTree.fromstring(buffer.getvalue())
    references = {r for e in root.iter() for v in e.attrib.values() for r in re.findall(r"(?:url\(|^)#([\w-]+)", v)}
    view_box = root.get("viewBox", "")
    _tidy(root, {old: f"{name}-{i}" for i, old in enumerate(sorted(references))})
    root.attrib = {"viewBox": view_box, "role": "img", "aria-label": label}
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, names: dict[str, str]) -> None:
    """Drop namespaces, metadata and idle groups; make ids unique; name colours by CSS variable; shorten numbers."""
    element.tag = _local(element.tag)
    element.attrib = dict(filter(None, (_attribute(_local(k), v, names) for k, v in element.attrib.items())))
    element[:] = list(_children(element))
    element.tail = None
    if not (element.text or "").strip():
        element.text = None
    for child in element:
        _tidy(child, names)


def _children(parent: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The children that draw something, those of groups that only carry a name in the group's place."""
    for child in parent:
        if _local(child.tag) == "g" and set(child.attrib) <= {"id"}:
            yield from _children(child)
        elif _local(child.tag) not in ("metadata", "style") and (len(child) or _local(child.tag) != "defs"):
            yield child


def _attribute(key: str, value: str, names: dict[str, str]) -> tuple[str, str] | None:
    if key == "id":
        return (key, names[value]) if value in names else None
    if key == "transform" and value.startswith("rotate(-0 "):
        return None
    if key == "style":
        value = re.sub(r"#0\d0\d0\d", lambda m: f"var(--{_VARIABLES.get(m[0], 'ink')})", value)
        value = re.sub(r"font-family: [^;]*(; )?|stroke-linejoin: miter(; )?", "", value)
    value = re.sub(r"(?<=#)[\w-]+", lambda m: names.get(m[0], m[0]), value)
    decimals = 1 if key == "d" and len(value) > _LONG_PATH else 2
    value = re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.{decimals}f}".rstrip("0").rstrip("."), value)
    value = re.sub(r"\s+", " ", value).strip()
    return key, re.sub(r" ?([A-Za-z]) ?", r"\1", value) if key == "d" else value


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
