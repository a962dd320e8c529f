"""Data as a person has it: files and columns in, rows the engines accept out.

Everything that can be wrong with data is found here, before anything is fitted, and said in one sentence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mixtures._files import STANDARD_INPUT, DataError, default_names, listed, one_line, read_table, say_rows_from_zero
from mixtures._frames import Frame, as_frame, check_names, filled, numeric_columns, refuse_repeated

__all__ = ["Data", "DataError", "Tie", "as_data", "check_components", "read_data"]

_SayRows = Callable[[Sequence[int]], str]


class Tie(NamedTuple):
    """Identical rows: their common value and where they are (0-based)."""

    value: tuple[float, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Data:
    """Numeric rows with the names of their columns.

    `values` is (N, D) float64; `columns` has D names; `source` says where they came from; `notes` are sentences about
    what was decided on the way, such as columns or rows left out.
    """

    values: np.ndarray
    columns: tuple[str, ...]
    source: str = "array"
    notes: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The values, so that `Data` stand for them wherever an array is asked for."""
        return np.array(self.values, dtype, copy=copy)

    def ties(self) -> list[Tie]:
        """Rows that occur more than once, most frequent first."""
        unique, inverse, counts = np.unique(self.values, axis=0, return_inverse=True, return_counts=True)
        by_value = np.argsort(inverse.ravel(), kind="stable")
        first = np.cumsum(counts) - counts
        tied = [i for i in np.argsort(-counts, kind="stable") if counts[i] > 1]
        return [Tie(tuple(unique[i].tolist()), tuple(by_value[first[i] : first[i] + counts[i]].tolist())) for i in tied]


def read_data(source: str | Path, columns: Sequence[str] | None = None, drop_missing: bool = False) -> Data:
    """Read rows from a file or from standard input.

    Parameters
    ----------
    source
        The file; its ending says what it is: .csv, .tsv, .csv.gz, .tsv.gz, .parquet, .feather, .arrow, .npy or .npz.
        Text is UTF-8, separated by commas (tabs in TSV), under a line of column names. The columns of an array (one- or
        two-dimensional) are called x, or x1, x2, …; one-dimensional arrays of one length in an .npz file are columns,
        called as they are there. ``"-"`` is CSV or TSV from standard input.
    columns
        Names of the columns to use, in this order; all numeric columns if not given.
    drop_missing
        Leave out rows with a missing or infinite value in the columns used, instead of refusing them.

    Raises
    ------
    DataError
        If the file or the columns cannot be used; the message says why, where, and what to do.
    """
    table = read_table(source, columns)
    source = "stdin" if source == STANDARD_INPUT else str(source)
    frame = as_frame(table.content)
    if frame is None:
        data = _from_array(table.content, source, None)
        return _check_rows(data if columns is None else _choose(data, columns), drop_missing, table.say_rows)
    data = _from_frame(frame, source, columns, table.say_rows)
    return _check_rows(replace(data, notes=table.notes + data.notes), drop_missing, table.say_rows)


def as_data(x: Any, columns: Sequence[str] | None = None) -> Data:
    """Make `Data` of what a person has in Python.

    Parameters
    ----------
    x
        An array of shape (N,) or (N, D); a DataFrame, LazyFrame, Series or table of pandas, Polars, Arrow or another
        library that narwhals knows; a dictionary of columns or an array of named fields; an xarray DataArray (rows
        along its first dimension, columns named by the coordinate of its second) or Dataset (its variables are the
        columns); or `Data`, returned as it is.
    columns
        Of a table or `Data`: the columns to use (all numeric ones of a table if not given). Of an array: the names of
        all its columns (x, or x1, x2, … if not given).

    Raises
    ------
    DataError
        If `x` holds anything but finite numbers in columns that vary.
    """
    if isinstance(x, Data):
        return x if columns is None else _choose(x, columns)
    if (frame := as_frame(x)) is not None:
        return _check_rows(_from_frame(frame, "data", columns, say_rows_from_zero), False, say_rows_from_zero)
    if isinstance(x, str | Path):
        raise DataError(f"Data must be numbers, and {str(x)!r} is text; if it names a file, read it with read_data.")
    if hasattr(x, "toarray"):
        raise DataError(f"Data must be dense, and this is a sparse {type(x).__name__}; give its .toarray().")
    try:
        array = filled(x) if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Data must be numbers in rows of equal length, which this {type(x).__name__} is not."
        ) from error
    return _check_rows(_from_array(array, "data", columns), False, say_rows_from_zero)


def check_components(data: Data, num_components: int) -> None:
    """Refuse a number of components below one or above the number of distinct rows.

    Raises
    ------
    DataError
        If `num_components` is not a whole number from 1 to the number of distinct rows.
    """
    whole = isinstance(num_components, int | np.integer) and not isinstance(num_components, bool)
    if not whole or num_components < 1:
        raise DataError(f"The number of components must be a whole number of at least 1, got {num_components!r}.")
    if len(np.unique(data.values[: 10 * num_components], axis=0)) >= num_components:
        return
    distinct = len(np.unique(data.values, axis=0))
    if num_components > distinct:
        raise DataError(
            f"{num_components} components need at least {num_components} distinct rows, but {data.source} has "
            f"{distinct} (of {len(data.values)} rows); ask for at most {distinct} components."
        )


def _from_frame(frame: Frame, source: str, columns: Sequence[str] | None, say_rows: _SayRows) -> Data:
    found = numeric_columns(frame, source, columns, say_rows)
    return Data(found.values, found.names, source, found.notes)


def _from_array(array: np.ndarray, source: str, columns: Sequence[str] | None) -> Data:
    """Check the shape and dtype of an array, and name its columns."""
    if array.ndim not in (1, 2):
        raise DataError(f"{source} has shape {array.shape}; give an array of shape (N,) or (N, D).")
    if array.size == 0:
        raise DataError(f"{source} is empty (shape {array.shape}); give at least two rows.")
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{source} must hold numbers only, but {one_line(error)}; convert it to floats.") from error
    if array.dtype.name == "bfloat16":  # which NumPy does not count among its floats
        array = array.astype(np.float32)
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise DataError(f"{source} must hold real numbers, got an array of {array.dtype}; convert it to floats.")
    values = np.asarray(array, np.float64).reshape(len(array), -1)
    names = default_names(values.shape[1]) if columns is None else [str(name) for name in columns]
    refuse_repeated(names, "The list of columns")
    if len(names) != values.shape[1]:
        raise DataError(f"columns must give one name for each of {values.shape[1]} columns, got {listed(names)}.")
    return Data(values, tuple(names), source)


def _choose(data: Data, columns: Sequence[str]) -> Data:
    check_names(columns, data.columns, data.source)
    where = [data.columns.index(name) for name in columns]
    return replace(data, values=data.values[:, where], columns=tuple(columns))


def _check_rows(data: Data, drop_missing: bool, say_rows: _SayRows) -> Data:
    """Refuse (or leave out) missing and infinite values, then refuse too few rows and constant columns."""
    finite = np.isfinite(data.values)
    incomplete = np.flatnonzero(~finite.all(axis=1)).tolist()
    if incomplete and not drop_missing:
        raise DataError(_say_missing(data, finite, say_rows))
    if incomplete:
        if len(finite) - len(incomplete) < 2:
            raise DataError(
                f"{len(incomplete)} of the {len(finite)} rows of {data.source} have missing or infinite values, and "
                "leaving them out leaves fewer than two; choose other columns."
            )
        note = f"Left out for missing or infinite values: {say_rows(incomplete)}."
        data = replace(data, values=data.values[finite.all(axis=1)], notes=(*data.notes, note))
    if len(data.values) == 1:
        raise DataError(f"{data.source} has only one row; give at least two.")
    for name, column in zip(data.columns, data.values.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"Column {name} of {data.source} is constant (every value is {column[0]:g}); leave it out.")
    return data


def _say_missing(data: Data, finite: np.ndarray, say_rows: _SayRows) -> str:
    missing, total = int(np.isnan(data.values).sum()), int((~finite).sum())
    counted = [f"{missing} missing"] * (missing > 0) + [f"{total - missing} infinite"] * (total > missing)
    where = [
        f"column {name} in {say_rows(np.flatnonzero(~ok).tolist())}"
        for name, ok in zip(data.columns, finite.T, strict=True)
        if not ok.all()
    ]
    return (
        f"{data.source} has {' and '.join(counted)} value{'s' if total > 1 else ''}: {listed(where)}; "
        "leave such rows out (for a file, with --drop-missing)."
    )
