"""Reading CSV, TSV, Parquet and .npy files into a table, with a clear sentence where that cannot be done."""

import csv
import difflib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SHOWN = 5  # rows or names listed in a message before "and … more"


class DataError(ValueError):
    """Data that cannot be fitted; the message is one sentence: what was wrong, what came, what to do."""


class Table(NamedTuple):
    """What a file holds: a DataFrame or an array, how to name its rows (given 0-based) to a person, and remarks."""

    content: Any
    say_rows: Callable[[Sequence[int]], str]
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """Read a file of a kind told by its ending.

    Raises
    ------
    DataError
        If there is no such file, or it is of another kind, damaged or empty.
    """
    if not path.exists():
        near = _near(path)
        raise DataError(f"There is no file {path}; {f'did you mean {near}?' if near else 'check the path.'}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give one CSV, TSV, Parquet or .npy file.")
    ending = path.suffix.lower()
    if ending in _SEPARATORS:
        return _read_text(path, _SEPARATORS[ending])
    if ending == ".parquet":
        return Table(_read_parquet(path), say_rows_from_zero)
    if ending == ".npy":
        return Table(_read_npy(path), say_rows_from_zero)
    kind = f"of unknown kind ({ending})" if ending else "without an ending that says what it is"
    raise DataError(f"{path} is a file {kind}; give one that ends in .csv, .tsv, .parquet or .npy.")


def listed(items: Sequence[str], most: int = _SHOWN) -> str:
    """Join items as a person would, and only count those beyond `most`."""
    if len(items) > most + 1:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def one_line(error: Exception) -> str:
    """An error's message as the middle of a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def say_rows_from_zero(rows: Sequence[int]) -> str:
    """Rows by their index."""
    return f"row{'s' if len(rows) > 1 else ''} {listed([str(row) for row in rows])} (counted from 0)"


def default_names(num_columns: int) -> list[str]:
    """Names of columns that have none: x, or x1, x2, …."""
    return ["x"] if num_columns == 1 else [f"x{d + 1}" for d in range(num_columns)]


def _near(path: Path) -> Path | None:
    """A file beside it whose name is nearly the same."""
    if not path.parent.is_dir():
        return None
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    return next((path.parent / name for name in difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)), None)


def _read_text(path: Path, separator: str) -> Table:
    import pandas as pd

    try:
        header, row = _first_records(path, separator)
        nameless = bool(header) and all(_is_number(cell) for cell in header)
        frame = pd.read_csv(
            path,
            sep=separator,
            header=None if nameless else 0,
            skipinitialspace=True,
            low_memory=False,
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; give a file with a line of column names and at least two rows.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8 and try again.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {_parser_complaint(error)}; mend the file and try again.") from error
    other = next((mark for mark in ",;\t" if mark != separator and mark in header[0]), None)
    if other and len(header) == 1 and not (len(row) == 1 and pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0])):
        raise DataError(f"{path} seems to be separated by {other!r}, not by {separator!r}; save it with {separator!r}.")
    if len(row) > len(header):  # pandas would take the first field for a row name
        raise DataError(f"{path} has {len(header)} column names but {len(row)} fields in its first row; name them all.")
    given = [cell.strip() or f"column {i + 1}" for i, cell in enumerate(header)]
    frame.columns = default_names(len(header)) if nameless else given
    say_rows = partial(_say_rows_of_text, path, separator, not nameless, len(frame))
    return Table(frame, say_rows, tuple(_notes_on_header(header, list(frame.columns), nameless)))


def _first_records(path: Path, separator: str) -> tuple[list[str], list[str]]:
    """The first two records that are not blank; empty lists for those that are not there."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(file, delimiter=separator, skipinitialspace=True)
        first, second, *_ = [*islice((record for record in records if not _is_blank(record)), 2), [], []]
    return first, second


def _notes_on_header(header: list[str], names: list[str], nameless: bool) -> Iterator[str]:
    if nameless:
        yield f"The first line holds only numbers, so it is read as data and the columns are called {listed(names)}."
        return
    if unnamed := [name for name, cell in zip(names, header, strict=True) if not cell.strip()]:
        yield f"The file gives no name for {listed(unnamed)}; choose other columns if this only counts the rows."
    if numbers := [name for name in names if _is_number(name)]:
        yield f"The first line is read as column names, but {listed(numbers)} looks like data."


def _parser_complaint(error: Exception) -> str:
    return one_line(error).removeprefix("Error tokenizing data. C error: ")


def _read_parquet(path: Path):
    if importlib.util.find_spec("pyarrow") is None:
        raise DataError(f'Reading {path} needs pyarrow; install it with: pip install "mixtures[parquet]".')
    import pandas as pd

    try:
        return pd.read_parquet(path, engine="pyarrow")
    except Exception as error:  # pyarrow's errors have no nearer common ancestor
        raise DataError(f"{path} cannot be read as Parquet: {one_line(error)}; write it again.") from error


def _read_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}.") from error
    except (ValueError, EOFError) as error:
        raise DataError(
            f"{path} is damaged or holds Python objects; save an array of numbers with numpy.save."
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds several arrays; save the one to fit with numpy.save.")
    return array


def _say_rows_of_text(path: Path, separator: str, named: bool, num_rows: int, rows: Sequence[int]) -> str:
    """Rows counted from 1 below the header, with the lines of the file they start on."""
    many, told = "s" if len(rows) > 1 else "", listed([str(row + 1) for row in rows])
    lines = _first_lines(path, separator)[named:]
    if len(lines) != num_rows:  # pandas and csv disagree about where rows begin: better no line than a wrong one
        return f"data row{many} {told}"
    return f"data row{many} {told} (line{many} {listed([str(lines[row]) for row in rows])})"


def _first_lines(path: Path, separator: str) -> list[int]:
    """The line, from 1, on which each record of a text file starts."""
    lines, last = [], 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(file, delimiter=separator, skipinitialspace=True)
        for record in records:
            if not _is_blank(record):
                lines.append(last + 1)
            last = records.line_num
    return lines


def _is_blank(record: list[str]) -> bool:
    """Whether pandas skips this record: an empty line, or one of spaces only (but not a quoted empty cell)."""
    return not record or (len(record) == 1 and record[0].isspace())


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False
