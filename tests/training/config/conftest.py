import pytest

from deepnrc.errors import ArgumentError
from deepnrc.training.config.file import parse_config

TEXT = """\
seed = 1  # of the weights

[data]
name = "synthetic"
options.rank = 3

[model]
width = 64
depth = 4

[training]
epochs = 30
lr = 0.1
weight_decay = 5e-3
"""


@pytest.fixture
def parse():
    """A small experiment with overrides, one piece of its text replaced, or of another text."""

    def parsed(*overrides, replace=("", ""), text=TEXT):
        return parse_config(text.replace(*replace), overrides, source="my.toml", name="mine")

    return parsed


@pytest.fixture
def refused(parse):
    """The message with which such an experiment is refused."""

    def message(*overrides, **options):
        with pytest.raises(ArgumentError) as caught:
            parse(*overrides, **options)
        return str(caught.value)

    return message
