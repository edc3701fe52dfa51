import contextlib
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepnrc.data.sets.tabular import read_tabular
from deepnrc.errors import DataError, DeepNRCError, FileError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

FRAME = pd.DataFrame({"a": [1.0, 2, 3], "y": [7.0, 8, 9]})


def write(folder, frame, **options):
    frame.to_parquet(folder / "t.parquet", **options)
    return folder / "t.parquet"


def test_an_index_of_pandas_is_a_column_that_must_be_named(tmp_path):
    path = write(tmp_path, FRAME.iloc[[2, 0, 1]])
    message = (
        r"column '__index_level_0__' would become an input, but it is the index of pandas' table: "
        r"pass index='__index_level_0__' to leave it out, or name it in inputs=\[…\]"
    )
    with pytest.raises(DataError, match=message):
        read_tabular(path, targets="y")
    raw = read_tabular(path, targets="y", index="__index_level_0__")
    assert (raw.input_names, raw.inputs.tolist()) == (("a",), [[3], [1], [2]])
    path = write(tmp_path, FRAME.set_index("a"))
    with pytest.raises(DataError, match="column 'a' would become an input, but it is the index"):
        read_tabular(path, targets="y")
    assert read_tabular(path, targets="y", inputs="a").inputs.flatten().tolist() == [1, 2, 3]
    assert read_tabular(path, targets="a").input_names == ("y",)


def test_the_index_that_only_counts_is_not_stored(tmp_path):
    assert read_tabular(write(tmp_path, FRAME), targets="y").input_names == ("a",)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            [True, False, True],
            "'b' must hold real numbers; got bool, a truth value: pass booleans=",
        ),
        ([True, None, True], "got bool, a truth value"),
        (["x", "y", "z"], "got .*string, no number: store numbers, or leave it out"),
        ([[1], [2], [3]], r"got list<element: int64>, no number"),
        (
            pd.date_range("2020", periods=3),
            r"got timestamp\[.*\], a date or time: make it a number",
        ),
        ([2**53 + 1, 1, 2], "got 9007199254740993 in row 0, counted from 0, an integer beyond"),
        (pd.array([2**53 + 1, None, 2], dtype="Int64"), "got 9007199254740993 in row 0"),
    ],
)
def test_columns_that_are_no_numbers(tmp_path, column, message):
    with pytest.raises(DeepNRCError, match=message):
        read_tabular(write(tmp_path, FRAME.assign(b=column)), targets="y")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.array([1, None, 3], dtype="Int64"), [1, 3]),
        (pd.array([1.5, None, 3], dtype="Float64"), [1.5, 3]),
        ([decimal.Decimal("1.5"), None, decimal.Decimal("2.25")], [1.5, 2.25]),
        (pd.Categorical([1.5, None, 2.0]), [1.5, 2.0]),
    ],
)
def test_columns_with_gaps(tmp_path, column, expected):
    path = write(tmp_path, FRAME.assign(b=column))
    message = r"must have no missing values; got 1 in input 'b', in 1 of 3 rows, the first in row 1"
    with pytest.raises(DataError, match=message):
        read_tabular(path, targets="y")
    raw = read_tabular(path, targets="y", inputs="b", missing="drop")
    assert raw.inputs.flatten().tolist() == expected


def test_a_name_twice(tmp_path):
    table = pyarrow.table([pyarrow.array([1.0])] * 3, names=["a", "y", "y"])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match="got 'y' twice, in columns 2 and 3"):
        read_tabular(tmp_path / "t.parquet", targets="y")


def test_a_small_file_of_many_rows(tmp_path, monkeypatch):
    zeros = pyarrow.array(np.zeros(10**6))
    parquet.write_table(pyarrow.table({"a": zeros, "y": zeros}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 50_000
    monkeypatch.setattr("deepnrc.data.access.sizes.largest", lambda: 10**7)
    message = r"2 columns of 1,000,000 rows claims 16,000,000 bytes; at most 10,000,000, half of"
    with pytest.raises(FileError, match=message):
        read_tabular(tmp_path / "t.parquet", targets="y")


def test_damaged_files(tmp_path):
    path = write(tmp_path, FRAME)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[generator.integers(len(content))] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(DeepNRCError):  # any other error fails the test
            read_tabular(path, targets="y")


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, st.integers(-(2**53), 2**53)), min_size=1, max_size=20))
def test_what_pandas_writes_is_read_the_same(tmp_path_factory, rows):
    frame = pd.DataFrame(rows, columns=["a", "y"])
    raw = read_tabular(write(tmp_path_factory.mktemp("parquet"), frame), targets="y")
    assert raw.inputs.flatten().tolist() == frame["a"].tolist()
    assert raw.targets.flatten().tolist() == frame["y"].tolist()
