"""Reading files into tables, with a clear sentence where that cannot be done."""

import csv
import difflib
import gzip
import importlib.util
import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

STANDARD_INPUT = "-"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_ENDINGS = (*_SEPARATORS, ".parquet", ".feather", ".arrow", ".npy", ".npz", *(f"{e}.gz" for e in _SEPARATORS))
_SHOWN = 5  # rows or names listed in a message before "and … more"


class DataError(ValueError):
    """Data that cannot be fitted; the message is one sentence: what was wrong, what came, what to do."""


class Table(NamedTuple):
    """What a file holds: a DataFrame or an array, how to name its rows (given 0-based) to a person, and remarks."""

    content: Any
    say_rows: Callable[[Sequence[int]], str]
    notes: tuple[str, ...] = ()


class _Text(NamedTuple):
    """Separated text that can be read more than once: what it is called, its separator, and how it is opened."""

    name: str
    separator: str
    open: Callable[[], TextIO]


def read_table(source: str | Path, columns: Sequence[str] | None = None) -> Table:
    """Read a file of a kind told by its ending, or text from standard input (``-``).

    `columns` only says which arrays of an .npz file are meant, where these are its columns.

    Raises
    ------
    DataError
        If there is no such file, or it is of another kind, damaged or empty.
    """
    if source == STANDARD_INPUT:
        return _read_text(_standard_input())
    path = Path(source)
    if not is_there(path):
        raise DataError(f"There is no file {path}{_similar(path)}; check the path.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give one file, such as CSV or Parquet.")
    ending = _ending(path)
    if ending in _SEPARATORS:
        return _read_text(_Text(str(path), _SEPARATORS[ending], partial(path.open, encoding="utf-8-sig", newline="")))
    if (plain := ending.removesuffix(".gz")) in _SEPARATORS:
        unpack = partial(gzip.open, path, "rt", encoding="utf-8-sig", newline="")
        return _read_text(_Text(str(path), _SEPARATORS[plain], unpack))
    if ending in (".parquet", ".feather", ".arrow"):
        return _unindexed(_read_with_pyarrow(path, ending), columns)
    if ending in (".npy", ".npz"):
        return Table(_read_arrays(path, columns), say_rows_from_zero)
    near = difflib.get_close_matches(ending, _ENDINGS, n=1)
    hint = f", perhaps meant to be {near[0]}" if near else ""
    kind = f"of unknown kind ({ending}){hint}" if ending else "without an ending that says what it is"
    raise DataError(f"{path} is a file {kind}; give one that ends in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}.")


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder.

    Raises
    ------
    DataError
        If the file system does not tell: the name is too long, or a folder may not be searched.
    """
    try:
        return path.exists()
    except OSError as error:
        raise DataError(f"{path} cannot be looked for ({error.strerror}); check the path.") from error


def short_name(source: str | Path) -> str:
    """What a source of data is called without its folder and ending, such as in the name of a folder made for it."""
    return "stdin" if source == STANDARD_INPUT else Path(source).name.removesuffix(_raw_ending(Path(source)))


def _ending(path: Path) -> str:
    return _raw_ending(path).lower()


def _raw_ending(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix


def _similar(path: Path) -> str:
    """A file beside it whose name is nearly the same."""
    names: list[str] = []
    with suppress(OSError):
        names = [other.name for other in path.parent.iterdir() if other.is_file()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f" (did you mean {path.with_name(near[0])}?)" if near else ""


def _standard_input() -> _Text:
    """Text that was piped in, separated by tabs where its first line has them and no comma."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"Standard input is not UTF-8 text ({error.reason}); pipe CSV or TSV into it.") from error
    first = text.lstrip("\r\n ").partition("\n")[0]
    return _Text("stdin", "\t" if "\t" in first and "," not in first else ",", partial(io.StringIO, text))


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


def _read_text(text: _Text) -> Table:
    import pandas as pd

    name, separator = text.name, text.separator
    try:
        header, row = _first_records(text)
        nameless = bool(header) and all(_is_number(cell) for cell in header)
        with text.open() as file:
            frame = pd.read_csv(
                file,
                sep=separator,
                header=None if nameless else 0,
                skipinitialspace=True,
                low_memory=False,
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{name} is empty; give a file with a line of column names and at least two rows.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text ({error.reason}); save it as UTF-8 and try again.") from error
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise DataError(f"{name} cannot be read: {_parser_complaint(error)}; mend the file and try again.") from error
    other = next((mark for mark in ",;\t" if mark != separator and mark in header[0]), None)
    if other and len(header) == 1 and not (len(row) == 1 and pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0])):
        raise DataError(f"{name} seems to be separated by {other!r}, not by {separator!r}; save it with {separator!r}.")
    if len(row) > len(header):  # pandas would take the first field for a row name
        raise DataError(f"{name} has {len(header)} column names but {len(row)} fields in its first row; name them all.")
    given = [cell.strip() or f"column {i + 1}" for i, cell in enumerate(header)]
    frame.columns = default_names(len(header)) if nameless else given
    say_rows = partial(_say_rows_of_text, text, not nameless, len(frame))
    return Table(frame, say_rows, tuple(_notes_on_header(header, list(frame.columns), nameless)))


def _first_records(text: _Text) -> tuple[list[str], list[str]]:
    """The first two records that are not blank; empty lists for those that are not there."""
    with text.open() as file:
        records = csv.reader(file, delimiter=text.separator, skipinitialspace=True)
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


def _read_with_pyarrow(path: Path, ending: str) -> Any:
    if importlib.util.find_spec("pyarrow") is None:
        raise DataError(f'Reading {path} needs pyarrow; install it with: pip install "mixtures[parquet]".')
    import pandas as pd

    try:
        return pd.read_parquet(path, engine="pyarrow") if ending == ".parquet" else _read_arrow(path)
    except Exception as error:  # pyarrow's errors have no nearer common ancestor
        kind = "Parquet" if ending == ".parquet" else "Feather or Arrow"
        raise DataError(f"{path} cannot be read as {kind}: {one_line(error)}; write it again.") from error


def _unindexed(frame: Any, columns: Sequence[str] | None) -> Table:
    """A table whose named index is a column where it is asked for, and is said to be left out where it is not."""
    names = [name for name in frame.index.names if name is not None]
    asked = [name for name in names if columns is not None and name in columns]
    left = [str(name) for name in names if name not in asked]
    notes = (f"The table's index is left out: {listed(left)}; choose columns by name to use it.",) if left else ()
    return Table(frame.reset_index(level=asked) if asked else frame, say_rows_from_zero, notes)


def _read_arrow(path: Path) -> Any:
    """A Feather file, which is Arrow's format of files, or a stream of Arrow's."""
    import pyarrow as pa
    from pyarrow import feather

    try:
        return feather.read_table(path).to_pandas()
    except pa.ArrowInvalid:
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_stream(file).read_pandas()


def _read_arrays(path: Path, columns: Sequence[str] | None) -> Any:
    """The one array of a file, or a DataFrame of its one-dimensional ones."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            arrays = {name: found[name] for name in found.files}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}.") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is damaged or holds Python objects; save an array of numbers with numpy.save."
        ) from error
    asked = columns if columns is not None and set(columns) <= set(arrays) else list(arrays)
    meant = {name: arrays[name] for name in asked}
    if meant and all(a.ndim == 1 and len(a) == len(next(iter(meant.values()))) for a in meant.values()):
        import pandas as pd

        return pd.DataFrame(meant)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if not arrays:
        raise DataError(f"{path} holds no array; save the one to fit with numpy.save.")
    shapes = listed([f"{name} {array.shape}" for name, array in arrays.items()])
    raise DataError(
        f"{path} holds several arrays that are not columns of one length, {shapes}; choose by name some that are, or "
        "save the one to fit with numpy.save."
    )


def _say_rows_of_text(text: _Text, named: bool, num_rows: int, rows: Sequence[int]) -> str:
    """Rows counted from 1 below the header, with the lines of the file they start on."""
    many, told = "s" if len(rows) > 1 else "", listed([str(row + 1) for row in rows])
    lines = _first_lines(text)[named:]
    if len(lines) != num_rows:  # pandas and csv disagree about where rows begin: better no line than a wrong one
        return f"data row{many} {told}"
    return f"data row{many} {told} (line{many} {listed([str(lines[row]) for row in rows])})"


def _first_lines(text: _Text) -> list[int]:
    """The line, from 1, on which each record of a text starts."""
    lines, last = [], 0
    with text.open() as file:
        records = csv.reader(file, delimiter=text.separator, skipinitialspace=True)
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
