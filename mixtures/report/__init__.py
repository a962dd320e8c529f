"""The report of a comparison: a page to read, tables to paste, JSON to compute with, and the posterior's draws."""

import json
import shutil
from pathlib import Path

from mixtures.compare.comparison import Comparison

__all__ = ["redraw", "save"]


def save(comparison: Comparison, folder: str | Path) -> Path:
    """Write the report to `folder`, whole or not at all.

    Files are report.html (to read), report.md (for pull requests), report.json (to compute with; its schema is
    report.schema.json in this package), parameters.csv and parameters.tex (to paste), and posterior.nc (the draws).

    Parameters
    ----------
    comparison
        What `mixtures.compare` returned.
    folder
        Made if missing; an earlier report there is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the folder cannot be written, or holds anything that this package did not write.
    """
    from mixtures.report.content import content
    from mixtures.report.folder import replace_folder

    texts = _texts(content(comparison))

    def write(into: Path) -> None:
        _write(into, texts)
        comparison.nuts.to_datatree(comparison.data.values).to_netcdf(into / "posterior.nc", engine="h5netcdf")

    return replace_folder(folder, write)


def redraw(folder: str | Path) -> Path:
    """Make the pages and tables of a report again from its report.json, without fitting anything.

    Parameters
    ----------
    folder
        What `save` wrote; the draws beside it stay as they are.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If there is no report of a known schema, or the folder holds anything that this package did not write.
    """
    from mixtures.report.folder import replace_folder

    source = Path(folder)
    texts = _texts(read_content(source))

    def write(into: Path) -> None:
        _write(into, texts)
        if (source / "posterior.nc").exists():
            shutil.copyfile(source / "posterior.nc", into / "posterior.nc")

    return replace_folder(folder, write)


def read_content(folder: str | Path) -> dict:
    """The content of the report in `folder`.

    Raises
    ------
    ValueError
        If there is no report.json, or it is not of this schema.
    """
    from mixtures.report.content import SCHEMA
    from mixtures.report.folder import FolderError

    path = Path(folder) / "report.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(f"{folder} holds no report.json; name a folder that `mixtures compare` wrote.") from None
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} cannot be read as JSON ({error}); fit again.") from error
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        raise FolderError(f"{path} has schema {found}, and this version draws schema {SCHEMA}; fit again.")
    return value


def _texts(value: dict) -> dict[str, str]:
    """Every file of a report that is text, by name."""
    from mixtures.report.html import page
    from mixtures.report.markdown import markdown
    from mixtures.report.plain import to_json
    from mixtures.report.tables import as_csv, as_latex

    return {
        "report.html": page(value),
        "report.md": markdown(value),
        "report.json": to_json(value) + "\n",
        "parameters.csv": as_csv(value),
        "parameters.tex": as_latex(value),
    }


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
