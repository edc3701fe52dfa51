"""Figures under any backend that the environment names."""

import pytest

from helpers import in_plain_python

CODE = """
import os
os.environ["MPLBACKEND"] = {backend!r}
from deepnrc.report.matplotlib_figure import new_figure
figure = new_figure(figsize=(2, 2))
import matplotlib
print(figure.get_figwidth(), os.environ["MPLBACKEND"], matplotlib.rcParams["backend"])
"""


@pytest.mark.parametrize(("backend", "kept"), [("pdf", True), ("absent", False)])
def test_a_backend_that_exists_is_kept_and_another_ignored(backend, kept):
    width, environment, used = in_plain_python(CODE.format(backend=backend)).split()
    assert (width, environment) == ("2.0", backend)
    assert (used == backend) is kept
