import pytest

from deepnrc.data.source import BuildRequest, numbered_names
from deepnrc.errors import ArgumentError


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"samples": 0}, "samples must be at least 1; got 0"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seconds": 0.0}, "seconds must be above 0; got 0.0"),
        ({"seconds": float("nan")}, "seconds must be above 0; got nan"),
    ],
)
def test_requests_out_of_range(numbers, message):
    with pytest.raises(ArgumentError, match=message):
        BuildRequest(**{"samples": 5, **numbers})


def test_names_for_columns_without():
    assert numbered_names("x", 3) == ("x0", "x1", "x2")
