"""The table of intervals: every uncertainty that EM offers beside those of VI and NUTS."""

from typing import NamedTuple

from mixtures._numbers import number
from mixtures.report.pasting import Paste, csv_text, latex_text, markdown_text
from mixtures.report.words import by_group


class Cell(NamedTuple):
    """A standard error or posterior sd, and the ends of a central 89 % interval; None where there is none."""

    spread: float | None
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The interval as a person reads it."""
        return "–" if self.low is None or self.high is None else f"{number(self.low, 4)} to {number(self.high, 4)}"


class Line(NamedTuple):
    """One parameter, with a cell for every source."""

    parameter: str
    group: str
    label: str
    cells: tuple[Cell, ...]


class Intervals(NamedTuple):
    """Where intervals come from, a line for each parameter, and why some are refused."""

    sources: tuple[str, ...]
    lines: tuple[Line, ...]
    refusals: tuple[str, ...]

    @property
    def groups(self) -> dict[str, list[Line]]:
        """Lines by kind of parameter."""
        return by_group(self.lines, lambda line: line.group)


def intervals(value: dict) -> Intervals:
    """Lay EM's intervals of every kind beside VI's and NUTS's."""
    kinds = value["further"]["intervals"]

    def line(i: int, row: dict) -> Line:
        from_em = [Cell(kind["se"][i], *kind["intervals"][i]) for kind in kinds]
        drawn = [Cell(row[f"{engine}_sd"], *(row[f"{engine}_interval"] or (None, None))) for engine in ("vi", "nuts")]
        return Line(row["parameter"], row["group"], row["label"], (*from_em, *drawn))

    return Intervals(
        (*(f"EM, {kind['kind']}" for kind in kinds), "VI", "NUTS"),
        tuple(line(i, row) for i, row in enumerate(value["agreement"])),
        tuple(f"EM, {kind['kind']}: {kind['reason']}" for kind in kinds if kind["reason"]),
    )


def paste_intervals(found: Intervals) -> Paste:
    """The table as CSV, with standard errors and sds, and as LaTeX."""
    header = ["parameter", *(f"{name} {what}" for name in found.sources for what in ("spread", "low", "high"))]
    groups = {
        group: [(line.label, *(cell.text for cell in line.cells)) for line in lines]
        for group, lines in found.groups.items()
    }
    return Paste(
        csv_text(header, [(line.parameter, *(v for cell in line.cells for v in cell)) for line in found.lines]),
        latex_text(("Parameter", *found.sources), groups),
    )


def intervals_as_markdown(found: Intervals) -> str:
    """The same for Markdown."""
    rows = [(line.parameter, *(cell.text for cell in line.cells)) for line in found.lines]
    return markdown_text(("Parameter", *found.sources), rows)
