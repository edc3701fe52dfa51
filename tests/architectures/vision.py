"""Convolutions: channels as features, positions averaged or samples of their own."""

import numpy as np
import torch
from torch import nn

import deepnrc
from architectures.alone import alone
from architectures.arithmetic import array, batches, chain, data, made
from architectures.case import Known, Right, case

FAMILY = "Images"


def images(n=40, channels=3, size=8, t=2):
    """n × channels × size × size, and targets."""
    x, y = data(n, channels, t, shape=(size, size))
    return x.permute(0, 3, 1, 2).contiguous(), y


def layers_of(model):
    """Linear layers and convolutions by name, in the order in which they are listed."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
    return {name: x for name, x in model.named_modules() if isinstance(x, kinds)}


def by_samples(model, x, y, *, order=None, reduce="mean", size=16, says=(), **options):
    """A case whose rows come from every sample alone."""
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    known = {name: seen.known(name, modules[name], reduce) for name in order or modules}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y, size), reduce=reduce, **options),
        known,
        y,
        np.concatenate(seen.predictions),
        says=says,
    )


@case("CNN", FAMILY, "strides, groups, a depthwise convolution, global average, linear head")
def cnn():
    model = chain(
        lambda: [
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 2, stride=2, groups=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        ]
    )
    return by_samples(model, *images())


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.shortcut = nn.Conv2d(channels, out, 1, stride) if stride > 1 else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        h = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return self.relu(h + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.block1, self.block2 = Block(6, 6, 1), Block(6, 10, 2)
        self.fc = nn.Linear(10, 2)

    def forward(self, x):
        return self.fc(self.block2(self.block1(self.stem(x))).mean((2, 3)))


_RESNET = (
    "stem",
    "block1.conv1",
    "block1.conv2",
    "block2.conv1",
    "block2.shortcut",
    "block2.conv2",
    "fc",
)


@case("ResNet", FAMILY, "BatchNorm, ReLU in place, a convolution as shortcut")
def resnet():
    model = made(ResNet)
    x, y = images()
    model.train()(x)
    model.eval()
    return by_samples(model, x, y, order=_RESNET)


@case("ResNet in channels_last", FAMILY, "strides of memory are not axes")
def channels_last():
    model = made(ResNet).to(memory_format=torch.channels_last)
    x, y = images()
    model.train()(x)
    model.eval()
    return by_samples(model, x.to(memory_format=torch.channels_last), y, order=_RESNET)


@case("1D convolutions, T = B", FAMILY, "as many steps as samples in a batch, channels first")
def temporal():
    model = chain(
        lambda: [
            nn.Conv1d(4, 6, 3, padding=1),
            nn.Tanh(),
            nn.Conv1d(6, 5, 1),
            nn.Flatten(),
            nn.Linear(80, 2),
        ]
    )
    x, y = data(48, 4, shape=(16,))
    return by_samples(model, x.transpose(1, 2).contiguous(), y, size=16)


@case("3D convolutions", FAMILY, "three spatial axes, transposed convolution")
def volumes():
    model = chain(lambda: [nn.Conv3d(2, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(32, 2)])
    x, y = data(40, 2, shape=(3, 3, 3))
    return by_samples(model, x.permute(0, 4, 1, 2, 3).contiguous(), y)


class UNet(nn.Module):
    """Three levels, the last of a single pixel; a target for each pixel."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.bottom = nn.Conv2d(8, 8, 1)
        self.merge, self.out = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(6, 2, 1)

    def forward(self, x):
        fine = torch.tanh(self.down1(x))
        coarse = torch.tanh(self.down2(nn.functional.avg_pool2d(fine, 2)))
        coarse = coarse + self.bottom(coarse.mean((2, 3), keepdim=True))
        both = torch.cat([fine, torch.tanh(self.up(coarse))], 1)
        return self.out(torch.tanh(self.merge(both))).movedim(1, -1)


def pooled(y, factor):
    """Means of targets n × size × size × t over squares."""
    n, size, _, t = y.shape
    cells = y.reshape(n, size // factor, factor, size // factor, factor, t)
    return cells.mean((2, 4)).reshape(-1, t)


LEVELS = {"down1": 1, "down2": 2, "bottom": 8, "up": 2, "merge": 1, "out": 1}


def unet(**options):
    model = made(UNet)
    x, _ = images(9)
    y = torch.stack([x.sum(1).roll(1, 1), x[:, 0] - x[:, 1]], -1)
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    known = {}
    for name, factor in LEVELS.items():
        at = seen.known(name, modules[name], "samples")
        targets = pooled(array(y), factor)
        known[name] = Known(at.rows, at.matrix, targets=targets)
        if factor > 1 and not options:
            known[name] = Known(role="unpaired")
    return Right(
        lambda: deepnrc.measure(model, batches(x, y, 4), reduce="samples", **options),
        known,
        array(y).reshape(-1, 2),
        np.concatenate(seen.predictions).reshape(-1, 2),
        says=() if options else ("pass targets='resample'",),
    )


@case("U-Net, targets='resample'", FAMILY, "a target a pixel, averaged down to each level")
def unet_resampled():
    return unet(targets="resample")


@case("U-Net as it is", FAMILY, "levels of another grid are undefined, the rest is measured")
def unet_plain():
    return unet()


class Pyramid(nn.Module):
    """Heads read features of two resolutions."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.fine, self.coarse = nn.Linear(6, 4), nn.Linear(8, 4)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        a = self.conv1(x).relu()
        b = self.conv2(a).relu()
        scales = self.fine(a.mean((2, 3))), self.coarse(b.mean((2, 3)))
        return self.head(torch.cat(scales, 1))


@case("Multi-scale features", FAMILY, "features of two resolutions are concatenated")
def pyramid():
    order = ("conv1", "conv2", "fine", "coarse", "head")
    return by_samples(made(Pyramid), *images(), order=order)


class SideDecoder(nn.Module):
    """Predicts from a code, and decodes it beside."""

    def __init__(self):
        super().__init__()
        self.encode, self.code = nn.Conv2d(3, 6, 2, stride=2), nn.Linear(96, 6)
        self.decode, self.paint = nn.Linear(6, 96), nn.ConvTranspose2d(6, 3, 2, stride=2)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        code = self.code(self.encode(x).tanh().flatten(1)).tanh()
        picture = self.paint(self.decode(code).unflatten(1, (6, 4, 4)))
        return picture, self.head(code)


@case("Autoencoder with a side decoder", FAMILY, "the decoder is beside the predictions")
def side_decoder():
    model = made(SideDecoder)
    x, y = images()
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x)[1], modules)
    known = {name: seen.known(name, modules[name]) for name in ("encode", "code", "head")}
    known |= {name: seen.known(name, modules[name], role="side") for name in ("decode", "paint")}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y), output=1),
        known,
        y,
        np.concatenate(seen.predictions),
    )
