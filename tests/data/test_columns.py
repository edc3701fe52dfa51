from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from deepnrc.data.columns import column_matrix
from deepnrc.errors import DataError, NonFiniteError

PATH = Path("table.csv")


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "yes": [True, False, True], "word": ["1", "x", "3"]}
    )


def test_columns_come_in_the_order_asked_for(frame):
    values = column_matrix(frame, ["b", "a", "yes"], path=PATH)
    assert values.dtype == torch.float64
    assert values.tolist() == [[0.5, 1, 1], [1.5, 2, 0], [2.5, 3, 1]]


def test_float64_keeps_its_digits():
    frame = pd.DataFrame({"a": [1 + 2.0**-50]})
    assert column_matrix(frame, ["a"], path=PATH).item() == 1 + 2.0**-50


def test_a_missing_column_is_named_with_the_nearest(frame):
    frame = frame.rename(columns={"b": "Run1 (ms)"})
    with pytest.raises(DataError) as caught:
        column_matrix(frame, ["a", "Run1(ms)"], path=PATH)
    assert str(caught.value) == (
        "table.csv has no column 'Run1(ms)': did you mean 'Run1 (ms)'? Its columns: 'a', "
        "'Run1 (ms)', 'yes', 'word'"
    )


def test_of_many_columns_the_first_are_shown():
    frame = pd.DataFrame({f"c{i}": [0.0] for i in range(23)})
    with pytest.raises(DataError, match=r"no column 'zzz': Its columns: 'c0', .*'c19' and 3 more"):
        column_matrix(frame, ["zzz"], path=PATH)


def test_words_are_named_with_their_row(frame):
    with pytest.raises(
        DataError, match="column 'word' must hold numbers; got 'x' in row 1, counted"
    ):
        column_matrix(frame, ["a", "word"], path=PATH)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_broken_numbers_are_named_with_their_row(frame, value):
    frame.loc[[1, 2], "b"] = value
    message = (
        rf"table.csv: column 'b' must be finite; got {value} in row 1, counted from 0 \(2 such"
    )
    with pytest.raises(NonFiniteError, match=message) as caught:
        column_matrix(frame, ["a", "b"], path=PATH)
    assert caught.value.row == 1


def test_missing_values_of_any_kind_are_not_finite():
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})
    with pytest.raises(NonFiniteError, match="column 'a' must be finite; got nan in row 1"):
        column_matrix(frame, ["a"], path=PATH)


def test_no_rows(frame):
    with pytest.raises(DataError, match=r"table\.csv must have rows of numbers; got none: check"):
        column_matrix(frame[:0], ["a"], path=PATH)
