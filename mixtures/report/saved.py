"""What was saved, read back: as a value in Python, and as pages drawn again without fitting."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixtures._cards import Card, Shown
from mixtures._numbers import fixed, plus_minus

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import DataTree

_KINDS = {
    "report.json": "compare",
    "sweep.json": "sweep",
    "select.json": "select",
    "calibration.json": "calibrate",
}


@dataclass(frozen=True, repr=False)
class SavedComparison(Shown):
    """A comparison as `Comparison.save` wrote it: `content` is report.json, of the published schema.

    Where an engine did not converge its averages are None there, as they are in the report.
    """

    folder: Path
    content: dict

    def __repr__(self) -> str:
        """Where it is and what it says, without the whole of report.json."""
        return f"SavedComparison({str(self.folder)!r}: {self.level})"

    @property
    def level(self) -> str:
        """The verdict in a few words."""
        return self.content["verdict"]["level"]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The verdict's reasons."""
        return tuple(self.content["verdict"]["reasons"])

    @property
    def codes(self) -> tuple[str, ...]:
        """Names of the rules that applied."""
        return tuple(finding["code"] for finding in self.content["verdict"]["findings"])

    def posterior(self) -> "DataTree":
        """The draws of NUTS, read from posterior.nc, as `Posterior.to_datatree` gave them.

        Raises
        ------
        ValueError
            If the file is missing or cannot be read.
        """
        import xarray

        path = self.folder / "posterior.nc"
        if not path.is_file():
            raise ValueError(
                f"{self.folder} holds no posterior.nc, so there are no draws; run `mixtures compare` again."
            )
        try:
            with xarray.open_datatree(path, engine="h5netcdf") as tree:
                return tree.load()
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error}); run `mixtures compare` again.") from error

    def to_frame(self) -> "DataFrame":
        """Every parameter under all engines, as `Comparison.to_frame`."""
        from mixtures.report.tables import as_frame

        return as_frame(self.content)

    def card(self) -> Card:
        """The verdict, and every parameter under EM, VI and NUTS."""
        rows = [
            (
                row["parameter"],
                *(
                    plus_minus(row[a], row[b])
                    for a, b in (("map", "se"), ("vi_mean", "vi_sd"), ("nuts_mean", "nuts_sd"))
                ),
                fixed(row["rhat"], 4),
            )
            for row in self.content["agreement"]
        ]
        columns = ("parameter", "MAP ± SE", "VI ± sd", "NUTS ± sd", "R-hat")
        return Card(f"EM, VI and NUTS, saved: {self.level}", self.reasons, columns, rows)


def load(folder: str | Path) -> SavedComparison:
    """Read back what `Comparison.save` or `mixtures compare` wrote.

    Parameters
    ----------
    folder
        The folder of the report.

    Returns
    -------
    SavedComparison
        Its verdict, numbers and draws; models and fits are not kept.

    Raises
    ------
    ValueError
        If the folder holds no report of a known schema.
    """
    name = _find(Path(folder))
    value = _read_json(Path(folder) / name)
    if name != "report.json":
        raise ValueError(
            f"{folder} was written by `mixtures {_KINDS[name]}`, and is no comparison; read its {name} as JSON."
        )
    return SavedComparison(Path(folder), value)


def redraw(folder: str | Path) -> Path:
    """Make the pages of a report again from its JSON, without fitting anything; whatever else is there stays as it is.

    Parameters
    ----------
    folder
        What `mixtures compare`, `sweep`, `select` or `calibrate` wrote.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If there is no report of a known schema, this package did not write the folder, or its files were changed since.
    """
    from mixtures.report import drawn
    from mixtures.report.folder import check_own, update_folder

    source = Path(folder)
    name = _find(source)
    check_own(source)
    value = _read_json(source / name)
    if name == "sweep.json":
        texts = drawn.sweep_files(
            value, {row["file"]: _read_json(source / f"{row['file']}.json") for row in value["rows"]}
        )
    else:
        draw = {
            "report.json": drawn.comparison_files,
            "select.json": drawn.selection_files,
            "calibration.json": drawn.calibration_files,
        }
        texts = draw[name](value)
    return update_folder(source, texts)


def _find(folder: Path) -> str:
    """The name of the JSON in a report folder."""
    from mixtures.report.folder import FolderError, in_words

    with in_words(f"{folder} cannot be read", "name another folder"):
        name = next((name for name in _KINDS if (folder / name).is_file()), None)
        there = folder.is_dir()
    if name is None:
        if not there:
            raise FolderError(f"{folder} is no folder; name one that `mixtures compare` wrote.")
        *most, last = _KINDS
        raise FolderError(f"{folder} holds no {', '.join(most)} or {last}; name a folder that this program wrote.")
    return name


def _read_json(path: Path) -> dict:
    from mixtures.report.content import SCHEMA
    from mixtures.report.folder import FolderError

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} cannot be read as JSON ({error}); fit again.") from error
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        raise FolderError(f"{path} has schema {found}, and this version draws schema {SCHEMA}; fit again.")
    return value
