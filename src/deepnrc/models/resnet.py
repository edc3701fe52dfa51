"""ResNet-18 and -34 for regression (He et al. 2016), with torchvision's parameter names.

torchvision itself is not a dependency: its wheels require a torch build of their own. Its
checkpoints load here, except for the head if its shape differs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError

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
    """Residual network of basic blocks with a head of one or more linear layers.

    Args:
        blocks: Blocks in each of the four stages.
        target_dim: t.
        channels: Of the input images.
        head: Widths of the head's hidden layers, ReLU after each; empty for one linear layer,
            ``fc``. With hidden layers the head's weights are ``fc.0``, ``fc.2``, ….

    Raises:
        ArgumentError: ``target_dim``, ``channels`` or a width of ``head`` is below 1.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        target_dim: int,
        *,
        channels: int = 3,
        head: Sequence[int] = (),
    ) -> None:
        sizes = {"target_dim": target_dim, "channels": channels}
        sizes |= {f"head[{i}]": width for i, width in enumerate(head)}
        for name, size in sizes.items():
            if size < 1:
                raise ArgumentError(f"{name} must be at least 1; got {size}")
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
        layers: list[nn.Module] = []
        for hidden in head:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.fc: nn.Module = nn.Linear(width, target_dim)
        if layers:
            self.fc = nn.Sequential(*layers, self.fc)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def readout(self) -> nn.Linear:
        """The last weight layer."""
        last = self.fc[-1] if isinstance(self.fc, nn.Sequential) else self.fc
        assert isinstance(last, nn.Linear)
        return last

    def features(self, images: Tensor) -> Tensor:
        """What the last weight layer reads, N × width, of images N × channels × height × width."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = getattr(self, name)(x)
        x = torch.flatten(self.avgpool(x), 1)
        if isinstance(self.fc, nn.Sequential):
            for layer in list(self.fc)[:-1]:
                x = layer(x)
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Predictions, N × t, of images N × channels × height × width."""
        predictions: Tensor = self.readout(self.features(images))
        return predictions


def resnet18(target_dim: int, *, channels: int = 3, head: Sequence[int] = ()) -> ResNet:
    """ResNet-18 with a head of t outputs; arguments as in `ResNet`."""
    return ResNet((2, 2, 2, 2), target_dim, channels=channels, head=head)


def resnet34(target_dim: int, *, channels: int = 3, head: Sequence[int] = ()) -> ResNet:
    """ResNet-34 with a head of t outputs; arguments as in `ResNet`."""
    return ResNet((3, 4, 6, 3), target_dim, channels=channels, head=head)
