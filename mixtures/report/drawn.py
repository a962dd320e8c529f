"""Every file of a report folder that is text, by name, made from the folder's JSON alone."""

from mixtures.report.calibration import calibration_page
from mixtures.report.html import page
from mixtures.report.markdown import calibration_markdown, markdown, selection_markdown, sweep_markdown
from mixtures.report.plain import to_json
from mixtures.report.selection import selection_page
from mixtures.report.sweep import sweep_page
from mixtures.report.tables import as_csv, as_latex


def comparison_files(value: dict) -> dict[str, str]:
    """What `mixtures compare` writes."""
    return {
        "report.html": page(value),
        "report.md": markdown(value),
        "report.json": to_json(value) + "\n",
        "parameters.csv": as_csv(value),
        "parameters.tex": as_latex(value),
    }


def selection_files(value: dict) -> dict[str, str]:
    """What `mixtures select` writes."""
    return {
        "select.html": selection_page(value),
        "select.md": selection_markdown(value),
        "select.json": to_json(value) + "\n",
    }


def calibration_files(value: dict) -> dict[str, str]:
    """What `mixtures calibrate` writes, but its table."""
    return {
        "calibration.html": calibration_page(value),
        "calibration.md": calibration_markdown(value),
        "calibration.json": to_json(value) + "\n",
    }


def sweep_files(value: dict, cases: dict[str, dict]) -> dict[str, str]:
    """What `mixtures sweep` writes, but its table; `cases` are the contents of the comparisons by file name."""
    files = {
        "sweep.html": sweep_page(value, cases),
        "sweep.md": sweep_markdown(value),
        "sweep.json": to_json(value) + "\n",
    }
    for name, own in cases.items():
        files |= {f"{name}.html": page(own), f"{name}.json": to_json(own) + "\n"}
    return files
