"""The report's figures, each drawn in two widths: for a desktop's text column and for a phone."""

from dataclasses import dataclass

from markupsafe import Markup

from mixtures.report import plots_calibration, plots_chains, plots_data, plots_fits, plots_floors
from mixtures.report.content import LONGEST_COLUMN
from mixtures.report.svg import Drawing, drawing_style, to_svg
from mixtures.report.words import short

_WIDTHS = {"wide": 720, "narrow": 350}  # CSS pixels


@dataclass(frozen=True)
class Picture:
    """One figure ready for the page: SVG by width, and what it leaves out."""

    svg: dict[str, Markup]
    note: str


def pictures(value: dict) -> dict[str, Picture]:
    """Draw every figure of the report, by name, from the content of a comparison."""
    columns = [short(name, LONGEST_COLUMN) for name in value["data"]["columns"]]
    value = value | {"data": value["data"] | {"columns": columns}}
    drawings = [
        plots_data.density(value),
        plots_fits.intervals(value),
        plots_chains.traces(value),
        plots_chains.ranks(value),
        plots_fits.starts(value),
    ]
    if value["fits"]["ml"]["floor_profile"] is not None:
        drawings.append(plots_floors.floors(value))
    if value["calibration"]:
        drawings.append(plots_calibration.coverages(value["calibration"]))
    if value["clustering"]["responsibilities"]["map"] or value["clustering"]["responsibilities"]["nuts"]:
        drawings.append(plots_data.responsibilities(value))
    with drawing_style():
        return {drawing.name: picture(drawing) for drawing in drawings}


def picture(drawing: Drawing) -> Picture:
    """Draw one figure in both widths, inside `drawing_style`."""
    svg = {w: to_svg(drawing.draw(pixels), f"{drawing.name}-{w}", drawing.alt) for w, pixels in _WIDTHS.items()}
    return Picture({width: Markup(text) for width, text in svg.items()}, drawing.note)
