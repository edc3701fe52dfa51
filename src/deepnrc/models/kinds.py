"""The package's own networks, made for the shape of one sample and the target dimension."""

from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.models.mlp import MLP
from deepnrc.models.resnet import ResNet
from deepnrc.models.resnet import resnet18 as make_resnet18
from deepnrc.models.resnet import resnet34 as make_resnet34

__all__ = ["mlp", "resnet18", "resnet34"]


def mlp(sample_shape: tuple[int, ...], target_dim: int, **options: Any) -> MLP:
    """An `MLP` for samples of shape (d,)."""
    if len(sample_shape) != 1:
        raise _unsuitable("mlp", "rows of numbers", sample_shape, instead="resnet18")
    return MLP(sample_shape[0], target_dim, **options)


def resnet18(sample_shape: tuple[int, ...], target_dim: int, **options: Any) -> ResNet:
    """A ResNet-18 for samples of shape (channels, height, width)."""
    return make_resnet18(target_dim, channels=_channels("resnet18", sample_shape), **options)


def resnet34(sample_shape: tuple[int, ...], target_dim: int, **options: Any) -> ResNet:
    """A ResNet-34 for samples of shape (channels, height, width)."""
    return make_resnet34(target_dim, channels=_channels("resnet34", sample_shape), **options)


def _channels(kind: str, sample_shape: tuple[int, ...]) -> int:
    if len(sample_shape) != 3:
        raise _unsuitable(kind, "images", sample_shape, instead="mlp")
    return sample_shape[0]


def _unsuitable(
    kind: str, wanted: str, sample_shape: tuple[int, ...], *, instead: str
) -> ArgumentError:
    return ArgumentError(
        f"model.kind = '{kind}' takes {wanted}, but a sample has the shape {sample_shape}: choose "
        f"model.kind = '{instead}' or another data set"
    )
