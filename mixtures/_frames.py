"""Tables that people have in Python, of whatever library: their numeric columns, with names and gaps."""

import difflib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mixtures._files import DataError, listed, say_rows_from_zero

_SayRows = Callable[[Sequence[int]], str]
_NO_TABLES = {"builtins", "numpy", "jax", "jaxlib", "mixtures"}  # packages whose values are arrays, or nothing of use


class Column(NamedTuple):
    """A column as numbers, and what of it is not one: its kind ("text", "boolean", …) or single cells of text."""

    values: np.ndarray
    kind: str = ""
    text_rows: tuple[int, ...] = ()
    first_text: str = ""

    def say_text(self, say_rows: _SayRows) -> str:
        """Name the first cell of text, and count the others."""
        more = len(self.text_rows) - 1
        others = f" and {more} more cell{'s' if more > 1 else ''}" if more else ""
        return f"{self.first_text!r} in {say_rows(self.text_rows[:1])}{others}"


class Frame(NamedTuple):
    """A table of any library: the names of its columns, its number of rows, and how to read a column by its place."""

    names: list[str]
    num_rows: int
    column: Callable[[int], Column]


class Numeric(NamedTuple):
    """The numeric columns of a table: values (N, D) with NaN where one is missing, names, and what was left out."""

    values: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...]


def as_frame(x: Any) -> Frame | None:
    """Read a table: pandas, Polars, Arrow, xarray, or whatever narwhals or Arrow's own protocol knows; else None.

    Dictionaries of columns and arrays of named fields are tables too, and a series is one of one column. Lazy tables
    are collected.

    Raises
    ------
    DataError
        If a lazy table cannot be collected, an xarray Dataset has no rows, or a dictionary no columns of one length.
    """
    x = _from_fields(x)
    root = type(x).__module__.partition(".")[0]
    if root in _NO_TABLES:
        return None
    if root == "xarray" and (x := _from_xarray(x)) is None:
        return None
    import narwhals.stable.v2 as nw

    if nw.dependencies.is_pandas_index(x):
        x = x.to_series()
    if nw.dependencies.is_pandas_series(x):
        x = x.to_frame("x" if x.name is None else x.name)
    if nw.dependencies.is_pandas_dataframe(x):
        return Frame([str(name) for name in x.columns], len(x), lambda i: _of_pandas(x.iloc[:, i]))
    table = nw.from_native(x, allow_series=True, pass_through=True)
    if table is x:
        table = nw.from_native(_from_arrow(x), allow_series=True, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        table = _collect(table)
    if isinstance(table, nw.Series):
        return Frame([table.name or "x"], len(table), lambda _: _of_narwhals(table))
    if isinstance(table, nw.DataFrame):
        return Frame(table.columns, len(table), lambda i: _of_narwhals(table[table.columns[i]]))
    return None


def numbers_of(x: Any) -> Any:
    """The numbers of a table's numeric columns, (N, D), warning of what is left out; anything else as it is.

    Masked values are NaN.

    Raises
    ------
    DataError
        If a table has no rows or no numeric column.
    """
    if isinstance(x, np.ma.MaskedArray):
        return filled(x)
    frame = as_frame(x)
    if frame is None:
        return x
    found = numeric_columns(frame, "x", None, say_rows_from_zero)
    for note in found.notes:
        warnings.warn(note, stacklevel=4)  # the caller of the public function
    return found.values


def filled(x: np.ma.MaskedArray) -> np.ndarray:
    """A masked array with NaN where a value is masked."""
    return np.ma.filled(x.astype(np.float64), np.nan)


def numeric_columns(frame: Frame, source: str, columns: Sequence[str] | None, say_rows: _SayRows) -> Numeric:
    """Choose the columns asked for, or all numeric ones, and say what was left out.

    Raises
    ------
    DataError
        If there are no rows, a name comes twice, or a column asked for (or every column) is not numeric.
    """
    refuse_repeated(frame.names, source)
    if not frame.num_rows:
        raise DataError(f"{source} has no rows below its column names; give at least two.")
    if columns is not None:
        check_names(columns, frame.names, source)
    wanted = frame.names if columns is None else columns
    parsed = {name: frame.column(frame.names.index(name)) for name in wanted}
    numeric = {name: c.values for name, c in parsed.items() if not c.kind and not c.text_rows}
    strays = {name: c for name, c in parsed.items() if not c.kind and c.text_rows}
    others = [f"{name} ({c.kind})" for name, c in parsed.items() if c.kind]
    if columns is None and not numeric and not strays:
        raise DataError(f"{source} has no numeric column, only {listed(others)}; give at least one.")
    if columns is not None or not numeric:
        for name, column in parsed.items():
            _refuse_unless_numeric(name, column, source, say_rows)
    notes = [f"Not numeric, so left out: {listed(others)}."] if others else []
    notes += [
        f"Column {name} is left out, though numeric but for {c.say_text(say_rows)}." for name, c in strays.items()
    ]
    return Numeric(np.column_stack(list(numeric.values())), tuple(numeric), tuple(notes))


def refuse_repeated(names: Sequence[str], source: str) -> None:
    """Refuse a name that comes twice."""
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise DataError(f"{source} has column {repeated[0]!r} more than once; name every column once.")


def check_names(columns: Sequence[str], names: Sequence[str], source: str) -> None:
    """Refuse a choice of columns that is empty, repeats one, or names one that is not there."""
    if isinstance(columns, str) or not len(columns):
        raise DataError(f"columns must be one or more names, got {columns!r}; {source} has {listed(names)}.")
    refuse_repeated(list(columns), "The choice of columns")
    for name in columns:
        if name not in names:
            by_lower = {n.lower(): n for n in names}
            near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
            hint = f" (did you mean {by_lower[near[0]]!r}?)" if near else ""
            raise DataError(f"{source} has no column {name!r}{hint}; it has {listed(names, most=20)}.")


def _refuse_unless_numeric(name: str, column: Column, source: str, say_rows: _SayRows) -> None:
    if column.text_rows:
        told = column.say_text(say_rows)
        raise DataError(f"Column {name} of {source} should hold numbers, but has {told}; mend it or leave it out.")
    if column.kind:
        raise DataError(f"Column {name} of {source} is {column.kind}, not numeric; choose columns of real numbers.")


def names_of(x: Any) -> tuple[str, ...] | None:
    """Names of the columns that `numbers_of` finds; None for what has none.

    Raises
    ------
    DataError
        As for `numbers_of`.
    """
    if (frame := as_frame(x)) is not None:
        return numeric_columns(frame, "x", None, say_rows_from_zero).names
    return getattr(x, "columns", None)  # of Data


def _from_fields(x: Any) -> Any:
    """A dictionary of columns, or an array of named fields, as pandas has it; anything else as it is."""
    if isinstance(x, np.ndarray) and x.dtype.names and x.ndim == 1:
        x = {name: x[name] for name in x.dtype.names}
    if not isinstance(x, dict):
        return x
    import pandas as pd

    shapes = {str(name): np.shape(column) for name, column in x.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        told = listed([f"{name} {shape}" for name, shape in shapes.items()])
        raise DataError(
            f"x as a dictionary must hold one-dimensional columns of one length, got {told or 'an empty one'}."
        )
    return pd.DataFrame({name: np.asarray(column) for name, column in x.items()})


def _from_xarray(x: Any) -> Any:
    """As pandas has it where there are names for the columns; None for what is an array and no more."""
    import pandas as pd
    import xarray as xr

    if isinstance(x, xr.Dataset):
        dims = {variable.dims for variable in x.data_vars.values()}
        if len(dims) != 1 or any(len(each) != 1 for each in dims):
            shapes = [f"{name} ({', '.join(map(str, v.dims)) or 'one value'})" for name, v in x.data_vars.items()]
            raise DataError(
                f"An xarray Dataset must have variables along one dimension in common, which are the columns; this one "
                f"has {listed(shapes) or 'no variable'}: choose some of them, or give one DataArray."
            )
        return pd.DataFrame({name: v.to_numpy() for name, v in x.data_vars.items()})
    if not isinstance(x, xr.DataArray):
        return None
    if x.ndim == 1:
        return pd.Series(x.to_numpy(), name=x.name)
    if x.ndim == 2 and x.dims[1] in x.coords:
        return pd.DataFrame(x.to_numpy(), columns=x.coords[x.dims[1]].to_numpy())
    return None


def _from_arrow(x: Any) -> Any:
    """What narwhals does not know of Arrow as what it does: single batches and arrays, and the stream protocol."""
    try:
        import pyarrow as pa
    except ImportError:
        return x
    if isinstance(x, pa.Array):
        return pa.chunked_array([x])
    return pa.table(x) if hasattr(x, "__arrow_c_stream__") else x


def _collect(table: Any) -> Any:
    try:
        return table.collect()
    except Exception as error:  # every library has its own errors
        first = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"The lazy table cannot be collected: {first}; collect it first.") from error


def _of_narwhals(series: Any) -> Column:
    """A column of Polars, Arrow, or any other library that narwhals knows."""
    import narwhals.stable.v2 as nw
    import pandas as pd

    dtype, values = series.dtype, np.full(len(series), np.nan)
    if len(series) and series.null_count() == len(series):
        return Column(values, "empty")
    if dtype == nw.Boolean:
        return Column(values, "boolean")
    if dtype in (nw.Decimal, nw.String, nw.Object):
        return _of_cells(pd.Series(series.to_list(), dtype=object))
    if dtype in (nw.Int128, nw.UInt128):  # which NumPy has not
        series = series.cast(nw.Float64)
    if not dtype.is_numeric():
        return Column(values, type(dtype).__name__.lower())
    numbers = np.asarray(series.to_numpy(), np.float64)
    return Column(numbers, "empty" if np.isnan(numbers).all() else "")


def _of_pandas(series: Any) -> Column:
    import pandas as pd

    types, values = pd.api.types, np.full(len(series), np.nan)
    if types.is_complex_dtype(series.dtype):
        return Column(values, "complex")
    if series.isna().all():
        return Column(values, "empty")
    if types.is_bool_dtype(series.dtype):
        return Column(values, "boolean")
    if types.is_numeric_dtype(series.dtype):
        return Column(series.to_numpy(np.float64, na_value=np.nan))
    if not (types.is_object_dtype(series.dtype) or types.is_string_dtype(series.dtype)):
        return Column(values, str(series.dtype))
    return _of_cells(series)


def _of_cells(series: Any) -> Column:
    """A pandas column of text or of any objects, read as numbers where they are."""
    import pandas as pd

    missing = series.isna().to_numpy()
    values = np.full(len(series), np.nan)
    if all(isinstance(cell, bool | np.bool) for cell in series[~missing]):
        return Column(values, "boolean")
    cells = series[~missing].astype(str).str.strip()
    values[~missing] = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    text_rows = np.flatnonzero(np.isnan(values) & ~missing)
    first_text = str(series.iloc[text_rows[0]]) if len(text_rows) else ""
    return Column(values, "text" if 2 * len(text_rows) >= len(cells) else "", tuple(text_rows.tolist()), first_text)
