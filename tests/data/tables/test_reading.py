"""Missing values and the tables that are none."""

from pathlib import Path

import numpy as np
import pytest

from deepnrc.data.tables.options import read_options
from deepnrc.data.tables.reading import complete_rows, open_table
from deepnrc.data.tables.table import Rows
from deepnrc.errors import FileError, NonFiniteError

NAN, INF = np.nan, np.inf
PATH = Path("t.csv")


def complete(values, *, drop=False, targets=1):
    values = np.array(values)
    names = ["a", "b", "y", "z"][4 - values.shape[1] :]
    rows = Rows(values, lambda row: f"line {row + 2}")
    return complete_rows(PATH, rows, names, targets, drop=drop)


def test_missing_values_are_counted_by_column_and_refused():
    message = (
        r"^t\.csv must have no missing values; got 1 in target 'y', 2 in target 'z', 1 in input "
        r"'b', in 3 of 4 rows, the first in line 3: pass missing='drop' to leave these rows out, or"
    )
    values = [[1, 2, 3, 4], [1, NAN, 3, NAN], [1, 2, NAN, 4], [1, 2, 3, NAN]]
    with pytest.raises(NonFiniteError, match=message) as caught:
        complete(values, targets=2)
    assert caught.value.row == 1
    done = complete(values, targets=2, drop=True)
    assert (done.values.tolist(), done.of) == ([[1, 2, 3, 4]], 4)
    assert done.facts == {
        "rows_dropped": "3 of 4, with missing values: 1 in target 'y', 2 in target 'z', 1 in input "
        "'b'"
    }


def test_no_row_would_be_left():
    with pytest.raises(
        NonFiniteError, match=r"in 1 of 1 rows, .*: every row has one: leave the emp"
    ):
        complete([[NAN, 1.0]], drop=True)


@pytest.mark.parametrize("drop", [False, True])
def test_infinity_is_never_missing(drop):
    message = r"column 'z' must be finite; got -inf in line 3 \(1 such values\): correct them, or"
    with pytest.raises(NonFiniteError, match=message):
        complete([[1, 2], [NAN, -INF]], drop=drop)


def test_nothing_missing():
    done = complete([[1.0, 2.0]])
    assert (done.of, done.facts) == (1, {})


def test_files_that_are_none(tmp_path):
    (tmp_path / "t.xls").touch()
    with pytest.raises(
        FileError, match=r"path must end in one of \.csv, .* text also in \.csv\.gz"
    ):
        open_table(tmp_path / "t.xls", read_options())
    (tmp_path / "t.npz.gz").touch()
    with pytest.raises(FileError, match="path must end in one of"):
        open_table(tmp_path / "t.npz.gz", read_options())
    with pytest.raises(FileError, match=r"t\.csv is not a file: check the path$"):
        open_table(tmp_path / "t.csv", read_options())
    with pytest.raises(
        FileError, match="is not a file: check the path, or pass one of the files in"
    ):
        open_table(tmp_path, read_options())
