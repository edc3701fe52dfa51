"""The papers' networks, and the door for others."""

from deepnrc.models.mlp import MLP
from deepnrc.models.registry import register
from deepnrc.models.resnet import ResNet, resnet18, resnet34

__all__ = ["MLP", "ResNet", "register", "resnet18", "resnet34"]
