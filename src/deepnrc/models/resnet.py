"""ResNet-18 and -34 for regression (He et al. 2016), with torchvision's parameter names.

torchvision itself is no dependency: its wheels pull a torch of their own. Its checkpoints load
here, but for the head's shape.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ResNet", "resnet18", "resnet34"]


class _BasicBlock(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + identity
        result: Tensor = self.relu(out)
        return result


class ResNet(nn.Module):
    """Residual network of basic blocks with a linear head.

    Args:
        blocks: Blocks in each of the four stages.
        target_dim: t.
        channels: Of the input images.
    """

    def __init__(self, blocks: Sequence[int], target_dim: int, *, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        width = 64
        for stage, count in enumerate(blocks):
            out = 64 * 2**stage
            strides = [1 if stage == 0 else 2, *[1] * (count - 1)]
            units = [_BasicBlock(width if i == 0 else out, out, s) for i, s in enumerate(strides)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*units))
            width = out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, target_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Predictions, N × t, of images N × channels × height × width."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = getattr(self, name)(x)
        predictions: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return predictions


def resnet18(target_dim: int, *, channels: int = 3) -> ResNet:
    """ResNet-18 with a linear head of t outputs."""
    return ResNet((2, 2, 2, 2), target_dim, channels=channels)


def resnet34(target_dim: int, *, channels: int = 3) -> ResNet:
    """ResNet-34 with a linear head of t outputs."""
    return ResNet((3, 4, 6, 3), target_dim, channels=channels)
