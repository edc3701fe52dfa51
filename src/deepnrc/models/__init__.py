"""The papers' networks."""

from deepnrc.models.mlp import MLP
from deepnrc.models.resnet import ResNet, resnet18, resnet34

__all__ = ["MLP", "ResNet", "resnet18", "resnet34"]
