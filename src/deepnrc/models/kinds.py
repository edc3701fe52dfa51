"""The package's own networks, made for the shape of one sample and the target dimension."""

from functools import partial
from typing import Any

from torch import nn

from deepnrc.errors import ArgumentError
from deepnrc.models.mlp import MLP
from deepnrc.models.resnet import resnet18, resnet34

__all__ = ["KINDS"]


def _mlp(sample_shape: tuple[int, ...], target_dim: int, **options: Any) -> nn.Module:
    _check_axes(sample_shape, 1, "an MLP takes rows of numbers", instead="resnet18")
    return MLP(sample_shape[0], target_dim, **options)


def _resnet(make: Any, sample_shape: tuple[int, ...], target_dim: int, **options: Any) -> nn.Module:
    _check_axes(sample_shape, 3, "a ResNet takes images", instead="mlp")
    network: nn.Module = make(target_dim, channels=sample_shape[0], **options)
    return network


def _check_axes(sample_shape: tuple[int, ...], axes: int, takes: str, *, instead: str) -> None:
    if len(sample_shape) != axes:
        raise ArgumentError(
            f"{takes}, but a sample has the shape {sample_shape}: choose model.kind = '{instead}' "
            "or another data set"
        )


KINDS = {
    "mlp": _mlp,
    "resnet18": partial(_resnet, resnet18),
    "resnet34": partial(_resnet, resnet34),
}
"""Functions as `deepnrc.models.register` takes them, by the name in ``[model]``."""
