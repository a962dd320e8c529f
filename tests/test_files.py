"""Reading files: what is read, what is refused, and in which words."""

import decimal
import io
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

from mixtures._files import listed, short_name
from mixtures.data import DataError, as_data, read_data


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def is_one_sentence(message):
    return message.endswith(".") and "\n" not in message and ". " not in message.replace("e.g. ", "")


def test_csv_uses_every_numeric_column_and_says_what_it_left_out(tmp_path):
    path = write(tmp_path / "a.csv", "name,y,flag,z\nann,1.5,True,2\nbob,2.5,False,3\n")
    data = read_data(path)
    assert data.columns == ("y", "z")
    assert data.source == str(path)
    np.testing.assert_array_equal(data.values, [[1.5, 2.0], [2.5, 3.0]])
    assert data.values.dtype == np.float64
    assert data.notes == ("Not numeric, so left out: name (text) and flag (boolean).",)


def test_columns_come_in_the_order_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "x,y,z\n1,2,3\n4,5,7\n")
    data = read_data(path, columns=["z", "x"])
    assert data.columns == ("z", "x")
    np.testing.assert_array_equal(data.values, [[3, 1], [7, 4]])


def test_every_kind_of_file_agrees_with_csv(tmp_path):
    values = np.array([[1.1, 2.0], [3.3, -4e-7], [5.0, 6.0]])
    frame = pd.DataFrame(values, columns=["x1", "x2"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    frame.to_csv(tmp_path / "a.TSV.GZ", index=False, sep="\t", compression="gzip")
    frame.to_feather(tmp_path / "a.feather")
    pl.from_pandas(frame).write_ipc(tmp_path / "a.arrow")
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", values)
    for ending in ("csv", "tsv", "csv.gz", "TSV.GZ", "parquet", "feather", "arrow", "npy", "npz"):
        data = read_data(tmp_path / f"a.{ending}")
        assert data.columns == ("x1", "x2"), ending
        np.testing.assert_array_equal(data.values, values, err_msg=ending)


def test_arrow_streams_are_read(tmp_path):
    pl.DataFrame({"count": [1, 2], "word": ["a", "b"]}).write_ipc_stream(tmp_path / "a.arrow")
    data = read_data(tmp_path / "a.arrow")
    assert (data.columns, data.notes) == (("count",), ("Not numeric, so left out: word (text).",))


def test_arrays_of_one_length_are_columns(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", b=[1.0, 2.0], a=[3.0, 5.0], grid=np.ones((2, 2)))
    np.savez_compressed(tmp_path / "b.npz", b=[1.0, 2.0], a=[3.0, 5.0])
    assert read_data(tmp_path / "b.npz").columns == ("b", "a")
    for name in ("a", "b"):
        data = read_data(tmp_path / f"{name}.npz", columns=["a", "b"])
        assert data.columns == ("a", "b")
        assert data.values.tolist() == [[3, 1], [5, 2]]
    with pytest.raises(
        DataError, match=r"not columns of one length, b \(2,\), a \(2,\) and grid \(2, 2\); choose by name"
    ):
        read_data(tmp_path / "a.npz")
    with pytest.raises(DataError, match="no column 'c'; it has b and a"):
        read_data(tmp_path / "b.npz", columns=["a", "c"])


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("text", ["y,größe\n1,2\n3,5\n", "\ufeffy\tgröße\r\n1\t2\r\n3\t5\r\n"], ids=["csv", "tsv"])
def test_standard_input_is_csv_or_tsv(monkeypatch, text):
    pipe(monkeypatch, text.encode())
    data = read_data("-")
    assert (data.columns, data.source) == (("y", "größe"), "stdin")
    assert data.values.tolist() == [[1, 2], [3, 5]]


def test_bad_standard_input(monkeypatch):
    cases = {b"PAR1\xff": "is not UTF-8", b"": "stdin is empty", b"y\n1\nx\n2\n3\n": r"'x' in data row 2 \(line 3\)"}
    for content, words in cases.items():
        pipe(monkeypatch, content)
        with pytest.raises(DataError, match=words) as caught:
            read_data("-")
        assert is_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    ("source", "name"),
    [("-", "stdin"), ("a/b.csv", "b"), ("a/b.c.CSV.gz", "b.c"), ("b.npz", "b"), ("b", "b"), (".csv", ".csv")],
)
def test_short_names(source, name):
    assert short_name(source) == name


def test_text_is_read_to_the_last_digit(tmp_path):
    texts = ["44.44571429", "0.1", "1e-300", "123456789.123456789", "9007199254740993"]
    data = read_data(write(tmp_path / "a.csv", "y\n" + "\n".join(texts) + "\n"))
    assert data.values[:, 0].tolist() == [float(t) for t in texts]


@pytest.mark.parametrize(
    "text",
    ["\ufeffy,z\n1,2\n3,4\n", "y, z\n1, 2\n3, 4\n", "\n\ny,z\n\n1,2\n  \n3,4\n\n\n", '"y","z"\r\n1,2\r\n3,4\r\n'],
    ids=["byte order mark", "spaces", "blank lines", "quotes and Windows line ends"],
)
def test_csv_as_people_write_it(tmp_path, text):
    data = read_data(write(tmp_path / "a.csv", text))
    assert data.columns == ("y", "z")
    np.testing.assert_array_equal(data.values, [[1, 2], [3, 4]])


def test_a_first_line_of_numbers_is_data(tmp_path):
    data = read_data(write(tmp_path / "a.csv", "1.5,2\n1.5,3\n2,1\n"))
    assert data.columns == ("x1", "x2")
    assert len(data.values) == 3
    assert "read as data" in data.notes[0]
    assert read_data(write(tmp_path / "b.csv", "1.5\n2.5\n")).columns == ("x",)


def test_doubtful_headers_are_mentioned(tmp_path):
    data = read_data(write(tmp_path / "a.csv", ",y,3.5\n0,1,2\n1,3,5\n"))
    assert data.columns == ("column 1", "y", "3.5")
    assert "no name for column 1" in data.notes[0]
    assert "3.5 looks like data" in data.notes[1]


def test_a_stray_text_cell_is_never_dropped_in_silence(tmp_path):
    path = write(tmp_path / "a.csv", "y,z\n1,2\noops,3\n4,5\n")
    data = read_data(path)
    assert data.columns == ("z",)
    assert data.notes == ("Column y is left out, though numeric but for 'oops' in data row 2 (line 3).",)
    with pytest.raises(DataError, match=r"'oops' in data row 2 \(line 3\)"):
        read_data(path, columns=["y"])


def test_drop_missing_leaves_out_rows_and_says_which(tmp_path):
    path = write(tmp_path / "a.csv", "y,z\n1,2\n,3\n\n4,inf\n5,6\n7,NA\n")
    data = read_data(path, drop_missing=True)
    np.testing.assert_array_equal(data.values, [[1, 2], [5, 6]])
    assert data.notes == ("Left out for missing or infinite values: data rows 2, 3 and 5 (lines 3, 5 and 7).",)
    assert len(read_data(path, columns=["y"], drop_missing=True).values) == 4


def test_parquet_kinds(tmp_path):
    pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=3),
            "group": pd.Categorical(list("aab")),
            "whole": pd.array([1, 2, 3], dtype="Int64"),
            "exact": [decimal.Decimal("1.5"), decimal.Decimal("2.5"), decimal.Decimal("4")],
            "lists": [[1], [2], [3]],
        }
    ).to_parquet(tmp_path / "a.parquet")
    data = read_data(tmp_path / "a.parquet")
    assert data.columns == ("whole", "exact")
    np.testing.assert_array_equal(data.values[:, 1], [1.5, 2.5, 4.0])
    assert "when (datetime64" in data.notes[0]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    pd.DataFrame({"y": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "mixtures\[parquet\]"'):
        read_data(tmp_path / "a.parquet")


BAD_TEXT = {
    "empty": ("", "is empty"),
    "blank": ("\n \n\n", "is empty"),
    "header only": ("y,z\n", "has no rows below its column names"),
    "one row": ("y\n1\n", "only one row"),
    "no numeric column": ("a,b\nx,y\nz,w\n", r"no numeric column, only a \(text\) and b \(text\)"),
    "booleans only": ("a\nTrue\nFalse\n", r"only a \(boolean\)"),
    "stray text in the only column": ("y\n1\nx\n2\n3\n?\n", r"'x' in data row 2 \(line 3\) and 1 more cell"),
    "missing": (
        "y,z\n1,2\n,3\n4,\n,9\n",
        r"3 missing values: column y in data rows 2 and 4 \(lines 3 and 5\) and column",
    ),
    "infinite": ("y\n1\ninf\n3\n", r"1 infinite value: column y in data row 2 \(line 3\); .*--drop-missing"),
    "overflow": ("y\n1\n1e400\n3\n", "1 infinite value"),
    "both": ("y\n1\n-inf\n3\nNA\n\n", "1 missing and 1 infinite values"),
    "short line": ("y,z\n1,2\n3\n4,5\n", r"1 missing value: column z in data row 2"),
    "constant": ("y,z\n1,5\n2,5\n3,5\n", r"Column z .* is constant \(every value is 5\)"),
    "long line": ("y,z\n1,2\n1,2,3\n4,5\n", "Expected 2 fields in line 3, saw 3"),
    "long first row": ("y,z\n1,2,3\n4,5,6\n", "2 column names but 3 fields"),
    "open quote": ('y\n"1\n2\n', "EOF inside string"),
    "repeated column": ("y,y\n1,2\n3,4\n", "column 'y' more than once"),
    "semicolons": ("a;b\n1,5;2\n2,5;3\n", "separated by ';'"),
    "semicolons, no decimals": ("a;b\n1;2\n2;3\n", "separated by ';'"),
    "line number after a quoted newline": ('t,y\n"a\nb",1\nc,\nd,3\n', r"data row 2 \(line 4\)"),
}


@pytest.mark.parametrize(("text", "words"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text(tmp_path, text, words):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=words) as caught:
        read_data(path)
    assert is_one_sentence(str(caught.value))
    assert str(path) in str(caught.value)


BAD_ARRAYS = {
    "three dimensions": (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
    "a scalar": (np.float64(3), r"shape \(\)"),
    "no rows": (np.zeros((0, 2)), "is empty"),
    "one row": (np.zeros((1, 2)), "only one row"),
    "complex": (np.array([1j, 2.0]), "complex128"),
    "boolean": (np.array([True, False]), "bool"),
    "text": (np.array(["a", "b"]), "real numbers, got an array of <U1"),
    "NaN": (np.array([[1, np.nan], [2, 3]]), r"1 missing value: column x2 in row 0 \(counted from 0\)"),
    "constant": (np.array([[1, 2], [1, 3]]), "Column x1 .* is constant"),
}


@pytest.mark.parametrize(("array", "words"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_refused_in_files_and_in_python(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=words) as caught:
        read_data(tmp_path / "a.npy")
    assert is_one_sentence(str(caught.value))
    with pytest.raises(DataError, match=words):
        as_data(array)


def test_bad_files(tmp_path):
    np.savez(tmp_path / "several.npz", a=1, b=2)
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    np.savez(tmp_path / "none.npz")
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    (tmp_path / "folder.csv").mkdir()
    cases = {
        tmp_path / "nowhere.csv": "There is no file",
        write(tmp_path / "a.csv", "y\n1\n2\n") / "b.csv": "There is no file",
        tmp_path / "folder.csv": "is a folder",
        write(tmp_path / "latin.csv", "größe\n1\n2\n", "latin-1"): "not UTF-8",
        write(tmp_path / "utf16.csv", "y\n1\n2\n", "utf-16"): "not UTF-8",
        write(tmp_path / "a.txt", "1\n2\n"): r"unknown kind \(\.txt\)",
        write(tmp_path / "none", "1\n2\n"): "without an ending",
        write(tmp_path / "a.parquet", "hello"): "cannot be read as Parquet",
        write(tmp_path / "a.npy", "hello"): "damaged",
        write(tmp_path / "b.npy", ""): "damaged",
        tmp_path / "several.npy": r"several arrays .* a \(\) and b \(\)",
        tmp_path / "none.npz": "holds no array",
        write(tmp_path / "a.npz", "hello"): "damaged",
        write(tmp_path / "a.csv.gz", "y\n1\n2\n"): "cannot be read: Not a gzipped file",
        write(tmp_path / "b.feather", "hello"): "cannot be read as Feather or Arrow",
        write(tmp_path / "a.cvs", "1\n2\n"): r"unknown kind \(\.cvs\), perhaps meant to be \.csv",
        tmp_path / "utf16.tsv": r"no file \S+ \(did you mean \S+utf16.csv\?\)",
        tmp_path / "objects.npy": "holds Python objects",
    }
    for path, words in cases.items():
        with pytest.raises(DataError, match=words) as caught:
            read_data(path)
        assert is_one_sentence(str(caught.value)), caught.value
        assert str(path) in str(caught.value)


def test_bad_choices_of_columns(tmp_path):
    path = write(tmp_path / "a.csv", "Length,width,name,full,nothing\n1,2,a,True,\n2,3,b,False,\n")
    cases = {
        ("lenght",): r"no column 'lenght' \(did you mean 'Length'\?\); it has Length, width, name, full and nothing",
        ("qqqq",): "no column 'qqqq'; it has Length",
        ("width", "width"): "'width' more than once",
        (): "one or more names",
        ("name",): r"'a' in data row 1 \(line 2\) and 1 more cell",
        ("full",): "is boolean",
        ("nothing",): "is empty",
    }
    for columns, words in cases.items():
        with pytest.raises(DataError, match=words) as caught:
            read_data(path, columns=columns)
        assert is_one_sentence(str(caught.value)), caught.value


def test_dropping_must_leave_two_rows(tmp_path):
    with pytest.raises(DataError, match=r"2 of the 3 rows .* fewer than two"):
        read_data(write(tmp_path / "a.csv", "y,z\n1,\n,2\n3,4\n"), drop_missing=True)


def test_long_lists_are_cut_short(tmp_path):
    path = write(tmp_path / "a.csv", "y\n" + "NA\n" * 40 + "1\n2\n")
    with pytest.raises(DataError, match=r"40 missing values: .* rows 1, 2, 3, 4, 5 and 35 more \(lines"):
        read_data(path)
    assert listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d, e and f"


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_named_index_is_a_column_only_where_it_is_asked_for(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0]}, index=pd.Index([7.0, 8.0, 5.0], name="time"))
    frame.to_parquet(path) if ending == "parquet" else pa.feather.write_feather(pa.Table.from_pandas(frame), path)
    data = read_data(path)
    assert data.columns == ("y",)
    assert data.notes == ("The table's index is left out: time; choose columns by name to use it.",)
    both = read_data(path, columns=["y", "time"])
    np.testing.assert_array_equal(both.values, [[1, 7], [2, 8], [4, 5]])
    assert both.notes == ()
