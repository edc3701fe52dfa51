"""The table ``[model]``: which network, with the options of its kind."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, create_model, field_validator

from deepnrc.errors import ArgumentError
from deepnrc.models.mlp import ACTIVATIONS
from deepnrc.models.registry import NETWORKS
from deepnrc.support.suggestions import did_you_mean
from deepnrc.training.config.table import Table

__all__ = ["MLPConfig", "ModelConfig", "ResNetConfig", "config_class", "of_its_kind"]


class ModelConfig(Table):
    """A network; each kind has a subclass with options of its own.

    Attributes:
        kind: A built-in name, or one added by `deepnrc.models.register` or an entry point.
    """

    kind: str

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        NETWORKS.find(value)
        return value


class MLPConfig(ModelConfig):
    """A fully connected network: arguments of `deepnrc.models.MLP`."""

    kind: Literal["mlp"] = "mlp"
    width: PositiveInt = 256
    depth: PositiveInt = 8
    activation: str = "relu"
    norm: Literal["none", "batch", "layer"] = "none"
    bias: bool = False
    init: Literal["he", "torch"] = "he"

    @field_validator("activation")
    @classmethod
    def _known_activation(cls, value: str) -> str:
        if value not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            hint = did_you_mean(value, ACTIVATIONS)
            raise ValueError(f"must be one of {known}; {hint}got {value!r}")
        return value


class ResNetConfig(ModelConfig):
    """A residual network for images: `deepnrc.models.resnet18` or ``resnet34``.

    Attributes:
        kind: Which of the two.
        head: Widths of the head's hidden layers; empty for one linear layer.
    """

    kind: Literal["resnet18", "resnet34"]
    head: list[PositiveInt] = Field(default_factory=list)


_BUILT_IN: dict[str, type[ModelConfig]] = {
    "mlp": MLPConfig,
    "resnet18": ResNetConfig,
    "resnet34": ResNetConfig,
}


def config_class(kind: str) -> type[ModelConfig]:
    """The class of the options of a kind of network.

    Raises:
        ArgumentError: There is no such kind, or its function's options cannot be checked.
    """
    return _BUILT_IN.get(kind) or _from_signature(kind, NETWORKS.find(kind))


def of_its_kind(value: Any) -> Any:
    """A mapping as the configuration of its kind, ``"mlp"`` by default; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    values = {"kind": "mlp", **value}
    kind = ModelConfig.model_validate({"kind": values["kind"]}).kind
    return config_class(kind).model_validate(values)


@functools.cache
def _from_signature(kind: str, make: Callable[..., Any]) -> type[ModelConfig]:
    """One field for each keyword-only parameter; further keys are free with ``**options``."""
    try:
        parameters = inspect.signature(make, eval_str=True).parameters.values()
        fields: dict[str, Any] = {
            p.name: (
                Any if p.annotation is p.empty else p.annotation,
                ... if p.default is p.empty else p.default,
            )
            for p in parameters
            if p.kind is p.KEYWORD_ONLY
        }
        free = any(p.kind is p.VAR_KEYWORD for p in parameters)

        class Options(ModelConfig):
            model_config = ConfigDict(extra="allow" if free else "forbid")

        return create_model(kind, __base__=Options, kind=(str, kind), **fields)
    except Exception as error:
        raise ArgumentError(
            f"model '{kind}': the keyword-only parameters of its function cannot be checked "
            f"({type(error).__name__}: {error}): annotate them with types of TOML values"
        ) from error
