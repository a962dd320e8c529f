"""Tables of other libraries, dictionaries and other containers as data."""

import datetime
import decimal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest
import scipy.sparse
import xarray as xr

import mixtures as mx
from mixtures._checks import as_rows
from mixtures._frames import numbers_of
from mixtures.data import DataError, as_data
from tests.test_files import is_one_sentence

FRAME = pl.DataFrame(
    {
        "length": [1.5, None, 4.0, 2.0],
        "count": [1, 2, 3, 2**53 + 1],
        "big": pl.Series([1, 2, 3, 4], dtype=pl.Int128),
        "price": [decimal.Decimal("1.10"), decimal.Decimal("2"), decimal.Decimal("3"), decimal.Decimal("4")],
        "digits": ["1", " 2.5", "3", "4"],
        "stray": [True, False, None, True],
        "word": ["a", "b", None, "c"],
        "kind": pl.Series(["u", "v", "u", "v"], dtype=pl.Categorical),
        "when": [datetime.date(2020, 1, day) for day in (1, 2, 3, 4)],
        "nothing": [None] * 4,
    }
)
NUMBERS = ["length", "count", "price", "digits"]


@pytest.mark.parametrize(
    "make", [pl.DataFrame, pl.DataFrame.lazy, pl.DataFrame.to_arrow, lambda f: f.to_arrow().to_batches()[0]]
)
def test_tables_of_other_libraries_are_read_as_those_of_pandas_are(make):
    table = make(FRAME.select(pl.exclude("big")))
    full = make(FRAME.select(pl.exclude("big")).drop_nulls(["length"]))
    with pytest.raises(DataError, match=r"1 missing value: column length in row 1 \(counted from 0\)"):
        as_data(table)
    data = as_data(full)
    assert data.columns == tuple(NUMBERS)
    out = "stray (boolean), word (text), kind (categorical), when (date) and nothing (empty)"
    assert data.notes == (f"Not numeric, so left out: {out}.",)
    assert data.values[-1].tolist() == [2.0, float(2**53), 4.0, 4.0]
    pandas = FRAME.drop_nulls(["length"]).select(NUMBERS).to_pandas()
    np.testing.assert_array_equal(data.values, as_data(pandas).values)
    assert as_data(full, ["digits", "count"]).columns == ("digits", "count")
    with pytest.raises(DataError, match=r"no column 'lenght' \(did you mean 'length'\?\)"):
        as_data(full, ["lenght"])


def test_wide_integers_and_single_columns_are_read():
    assert as_data(FRAME.select("big")).values.ravel().tolist() == [1, 2, 3, 4]
    for column in (FRAME["count"], FRAME["count"].to_pandas()):
        assert as_data(column).columns == ("count",)
    for column in (FRAME["count"].to_arrow(), pa.chunked_array([[1, 2], [5]]), pd.Index([1, 2, 5])):
        assert as_data(column).columns == ("x",)
    assert np.isnan(numbers_of(FRAME["length"])[1, 0])


def test_xarray_names_columns_by_coordinate_or_variable():
    values = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    named = xr.DataArray(values, dims=("row", "side"), coords={"side": ["left", "right"]})
    assert as_data(named).columns == ("left", "right")
    assert as_data(xr.DataArray(values)).columns == ("x1", "x2")
    assert as_data(xr.DataArray(values[:, 0], name="left")).columns == ("left",)
    both = xr.Dataset({"left": ("row", values[:, 0]), "right": ("row", values[:, 1])})
    assert as_data(both).columns == ("left", "right")
    np.testing.assert_array_equal(as_data(both).values, values)
    with pytest.raises(DataError, match=r"has left \(row\), right \(row\) and all \(row, side\): choose"):
        as_data(both.assign(all=named.drop_vars("side")))
    with pytest.raises(DataError, match=r"shape \(3, 2, 1\)"):
        as_data(xr.DataArray(values[..., None]))


def test_tables_that_cannot_be_read_are_refused_in_a_sentence():
    cases = {
        "cannot be collected": FRAME.lazy().select("nowhere"),
        "no rows": FRAME.clear(),
        r"no numeric column, only word \(text\)": FRAME.select("word"),
        "has no variable": xr.Dataset(),
    }
    for words, table in cases.items():
        with pytest.raises(DataError, match=words) as caught:
            as_data(table)
        assert is_one_sentence(str(caught.value))


def test_every_function_takes_tables_and_data(recwarn):
    model = mx.Mixture.for_data(FRAME.select("count"), 1)
    params = mx.fit_em(model, FRAME["count"], key=jax.random.key(0), num_starts=1).params
    expected = model.log_prob(params, np.array([1.0, 2, 3, 2**53]))
    for x in (FRAME.select("count"), as_data(FRAME.select("count")), FRAME.select("count").to_arrow()):
        np.testing.assert_array_equal(model.log_prob(params, x), expected)
    assert not recwarn
    with pytest.warns(UserWarning, match=r"left out: word \(text\)"):
        np.testing.assert_array_equal(model.log_prob(params, FRAME.select("count", "word")), expected)
    assert np.isnan(as_rows(np.ma.masked_array([1, 2, 7], [False, False, True]))).ravel().tolist() == [
        False,
        False,
        True,
    ]
    assert as_rows(FRAME["length"]).shape == (4, 1)


def test_dictionaries_and_named_fields_are_tables():
    columns = {"a": [1.0, 2.0], "b": np.array([3, 5])}
    fields = np.array([(1.0, 3), (2.0, 5)], dtype=[("a", float), ("b", int)])
    for table in (columns, fields):
        data = as_data(table)
        assert data.columns == ("a", "b")
        np.testing.assert_array_equal(data.values, [[1, 3], [2, 5]])
        np.testing.assert_array_equal(as_rows(table), [[1, 3], [2, 5]])


def test_bfloat16_is_a_float():
    np.testing.assert_array_equal(as_data(jnp.array([1.5, 2.0, 4.0], jnp.bfloat16)).values.ravel(), [1.5, 2, 4])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"a": [1.0, 2.0], "b": [1.0]}, r"columns of one length, got a \(2,\) and b \(1,\)"),
        ({}, "an empty one"),
        (scipy.sparse.eye_array(3), "sparse.*toarray"),
        ("faithful.csv", "read_data"),
        (Path("faithful.csv"), "read_data"),
    ],
    ids=["lengths", "empty", "sparse", "text", "path"],
)
def test_what_is_no_table_is_told_in_a_sentence(given, words):
    with pytest.raises(DataError, match=words) as told:
        as_data(given)
    assert is_one_sentence(str(told.value).replace(".csv", "").replace(" .toarray", ""))
