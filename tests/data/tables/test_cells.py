import numpy as np
import pytest

from deepnrc.data.tables.cells import CellError, numbers
from deepnrc.data.tables.options import read_options

PLAIN = read_options()


@pytest.mark.parametrize(
    "cell", ["", " ", "NA", "n/a", "#N/A", "nan", "NaN", "-nan", "NULL", "None", "<NA>", "NaT"]
)
def test_texts_for_a_missing_value(cell):
    assert np.isnan(numbers([cell, "1"], PLAIN)).tolist() == [True, False]


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "+INF", "1e999"])
def test_infinity_is_read_and_refused_later(cell):
    assert np.isinf(numbers([cell], PLAIN)).all()


def test_numbers_are_those_of_python():
    cells = ["0.1", "1e-320", "5e-324", "123456789.123456789", ".5", "5.", "+3", "-0", "1E5"]
    assert numbers([*cells, ""], PLAIN)[:-1].tolist() == list(map(float, cells))
    assert numbers(cells, PLAIN).tolist() == list(map(float, cells))


def test_the_cell_at_fault_is_counted_from_0_and_shown_short():
    with pytest.raises(CellError) as caught:
        numbers(["1", "2", "x" * 100], PLAIN)
    assert caught.value.row == 2
    assert str(caught.value).startswith(f"'{'x' * 40}…': text: correct it")
