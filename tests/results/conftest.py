import pytest

import deepnrc
from helpers import in_batches, regression_data
from networks import attended


@pytest.fixture
def measurement():
    """A measurement in which one layer saw no rows."""
    x, y = regression_data(40, shape=(5,))
    return deepnrc.measure(attended(), in_batches(x, y))
