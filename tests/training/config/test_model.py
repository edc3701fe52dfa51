"""The options of a network: those of its function's signature, checked as in any table."""

from typing import Annotated, Any, Literal

import annotated_types
import pytest
from torch import nn

from deepnrc.models.registry import NETWORKS
from deepnrc.training.config.file import plain_config


@pytest.fixture
def added(parse, refused):
    """Parses, or gets the message of, an experiment whose network a function makes."""

    def make(function, options, message=False):
        NETWORKS.register("test", function)
        replace = ("width = 64\ndepth = 4", f"kind = 'test'\n{options}")
        return refused(replace=replace) if message else parse(replace=replace).model

    yield make
    NETWORKS.unregister("test")


def network(
    sample_shape: Any,
    target_dim: int,
    *,
    width: Annotated[int, annotated_types.Ge(1)],
    act: Literal["relu", "tanh"] = "relu",
    scale: float = 1.0,
    untyped=None,
) -> nn.Module:
    raise NotImplementedError


def test_values_and_defaults(added):
    config = added(network, "width = 3\nuntyped = [1]")
    assert config.model_dump() == {
        "kind": "test", "width": 3, "act": "relu", "scale": 1.0, "untyped": [1],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("width = 0", "'model.width' should be greater than or equal to 1; got 0 (my.toml, line 9"),
        ("width = '3'", "'model.width' should be a valid integer; got '3'"),
        ("act = 'relu'", "'model.width' is missing (my.toml, line 7)"),
        ("width = 3\nact = 'gelu'", "'model.act' should be 'relu' or 'tanh'; got 'gelu'"),
        ("width = 3\nscael = 2", "unknown key 'model.scael': did you mean 'model.scale'? (my.toml"),
        ("width = 3\ndepth = 2", "'model.depth' is not an option of this model.kind: leave it out"),
    ],
)
def test_wrong_options_are_refused(added, options, message):
    assert message in added(network, options, message=True)


def test_free_options(added):
    def free(sample_shape, target_dim, *, width: int = 2, **options):
        raise NotImplementedError

    config = added(free, "anything = 'goes'")
    assert config.model_dump() == {"kind": "test", "width": 2, "anything": "goes"}


def test_annotations_that_cannot_be_checked_are_refused(added):
    def odd(sample_shape, target_dim, *, layer: nn.Linear):
        raise NotImplementedError

    message = added(odd, "layer = 1", message=True)
    assert "model 'test': the keyword-only parameters of its function cannot be checked" in message
    assert "annotate them with types of TOML values" in message


def test_what_is_written_has_the_options(parse):
    made = plain_config(parse("model={kind='resnet18', head=[3]}"))["model"]
    assert made == {"kind": "resnet18", "head": [3]}
