"""Data, their columns and ties, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from mixtures import data as data_module
from mixtures.data import Data, DataError, as_data, check_components


def test_as_data_names_columns():
    assert as_data([1, 2, 4]).columns == ("x",)
    assert as_data(np.eye(3)).columns == ("x1", "x2", "x3")
    assert as_data(np.eye(2), ["a", "b"]).columns == ("a", "b")
    assert as_data(pd.Series([1.0, 2.0], name="height")).columns == ("height",)
    assert as_data(pd.Series([1.0, 2.0])).columns == ("x",)
    frame = pd.DataFrame({"a": [1, 2], "b": ["u", "v"], 3: [0.5, 0.25]})
    assert as_data(frame).columns == ("a", "3")
    assert as_data(frame).notes == ("Not numeric, so left out: b (text).",)
    assert as_data(frame, ["3"]).values.tolist() == [[0.5], [0.25]]


def test_as_data_returns_data_as_it_is():
    data = Data(np.eye(3), ("a", "b", "c"), "here", ("noted",))
    assert as_data(data) is data
    chosen = as_data(data, ["c", "a"])
    assert (chosen.columns, chosen.source, chosen.notes) == (("c", "a"), "here", ("noted",))
    np.testing.assert_array_equal(chosen.values, np.eye(3)[:, [2, 0]])


def test_as_data_refuses_what_is_no_data():
    for x in ("abc", None, [[1, 2], [3]], ["a", "b"], np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])):
        with pytest.raises(DataError):
            as_data(x)
    with pytest.raises(DataError, match="one name for each of 2 columns"):
        as_data(np.eye(2), ["a"])


def test_jax_arrays_are_data():

    data = as_data(jnp.arange(4.0))
    assert data.values.dtype == np.float64
    assert data.values.shape == (4, 1)


@pytest.mark.parametrize("num_components", [0, -3, True, 1.5, "2"])
def test_components_must_be_a_positive_whole_number(num_components):
    with pytest.raises(DataError, match="whole number of at least 1"):
        check_components(as_data([1, 2, 3]), num_components)


def test_components_must_not_outnumber_distinct_rows():
    data = as_data(np.repeat([[1.0, 2.0], [3.0, 4.0], [1.0, 4.0]], 50, axis=0))
    check_components(data, 3)
    with pytest.raises(DataError, match="at least 4 distinct rows, but data has 3"):
        check_components(data, 4)


def test_ties_are_found_most_frequent_first():
    data = as_data(np.array([[1, 2], [3, 4], [1, 2], [5, 6], [3, 4], [3, 4], [7, 8]], float))
    ties = data.ties()
    assert [(t.value, t.rows) for t in ties] == [((3.0, 4.0), (1, 4, 5)), ((1.0, 2.0), (0, 2))]
    assert as_data([1, 2, 3]).ties() == []


def test_public_names_exist():
    assert all(hasattr(data_module, name) for name in data_module.__all__)
