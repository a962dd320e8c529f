"""The report of a calibration: a page with its figure and table, and the same numbers as JSON and CSV."""

from dataclasses import dataclass
from pathlib import Path

from mixtures.compare.coverage import Calibration
from mixtures.data import Data
from mixtures.em.fit import EMFit
from mixtures.model import Mixture
from mixtures.report.content import SCHEMA, data_content, model_content, run_content
from mixtures.report.coverage import coverage_content, coverage_rows
from mixtures.report.folder import replace_folder, write_texts
from mixtures.report.html import render
from mixtures.report.plain import plain
from mixtures.report.plots import picture
from mixtures.report.plots_calibration import coverages
from mixtures.report.svg import drawing_style


@dataclass(frozen=True)
class CalibrationRun:
    """A calibration, with the data and the fit that it was made for."""

    data: Data
    model: Mixture
    fit: EMFit
    calibration: Calibration
    settings: dict


def calibration_content(run: CalibrationRun) -> dict:
    """Everything the page says, as plain values."""
    return plain(
        {
            "schema": SCHEMA,
            "data": data_content(run.data),
            "model": model_content(run.model, run.data),
            "run": run_content(run.fit),
            "settings": run.settings,
            **coverage_content(run.calibration),
        }
    )


def save_calibration(folder: str | Path, run: CalibrationRun) -> Path:
    """Write calibration.html, .md, .json and .csv to `folder`, whole or not at all; errors as for `replace_folder`."""
    from mixtures.report.drawn import calibration_files

    texts = calibration_files(calibration_content(run))

    def write(into: Path) -> None:
        write_texts(into, texts)
        run.calibration.to_frame().to_csv(into / "calibration.csv", index=False)

    return replace_folder(folder, write)


def calibration_page(value: dict) -> str:
    """Render the page from the content of a calibration."""
    with drawing_style():
        pictures = {"coverage": picture(coverages(value))}
    return render("calibration.html.j2", **value, found=value, coverage_rows=coverage_rows(value), pictures=pictures)
