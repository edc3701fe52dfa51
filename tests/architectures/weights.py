"""Layers whose `.weight` is not, or not simply, the matrix that they apply."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import deepnrc
from architectures.arithmetic import array, batches, chain, data, linear, made, matrix, relu
from architectures.case import Known, Right, case

FAMILY = "Weights"


def normed(apply, **facts):
    """Two layers of which the first has a weight made anew before every call."""
    model = chain(lambda: [nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 2)])
    model[0] = apply(model[0])
    model.eval()
    x, y = data()
    with torch.no_grad():
        W = array(model[0].weight)
    h = np.tanh(array(x) @ W.T + array(model[0].bias))
    known = {"0": Known(array(x), W), "2": Known(h, matrix(model[2]))}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h), **facts
    )


@case("weight_norm", FAMILY, "a parametrised weight")
def weight_norm():
    return normed(parametrizations.weight_norm)


@case("spectral_norm", FAMILY, "its power iteration stands still in eval mode")
def spectral_norm():
    return normed(parametrizations.spectral_norm)


@case("orthogonal", FAMILY, "a weight of a parametrised manifold")
def orthogonal():
    model = chain(lambda: [nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 2)])
    parametrizations.orthogonal(model[2])
    x, y = data()
    h = np.tanh(linear(model[0], array(x)))
    known = {"0": Known(array(x), matrix(model[0])), "2": Known(h, matrix(model[2]))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h))


@case("orthogonal, square", FAMILY, "no directions of the weight lead: NRC3 is undefined")
def square():
    model = chain(lambda: [nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)])
    parametrizations.orthogonal(model[0])
    x, y = data()
    h = np.tanh(linear(model[0], array(x)))
    known = {"0": Known(array(x), None), "2": Known(h, matrix(model[2]))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h))


@case("Pruned", FAMILY, "half of the entries masked by torch.nn.utils.prune")
def pruned():
    return normed(lambda layer: prune.l1_unstructured(layer, "weight", 0.5))


class MaskedLinear(nn.Linear):
    """MADE: entries that would see later inputs are 0."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.mask(), self.bias)

    def mask(self):
        rows, columns = torch.arange(self.out_features), torch.arange(self.in_features)
        return (rows[:, None] % 4 >= columns % 4).to(self.weight.dtype)


class Ternary(nn.Linear):
    """Applies −1, 0 or 1 times a scale."""

    def applied(self):
        scale = self.weight.abs().mean()
        return (self.weight / scale).round().clamp(-1, 1) * scale

    def forward(self, x):
        return nn.functional.linear(x, self.applied(), self.bias)


class Standardised(nn.Conv2d):
    """Weight standardisation: each filter has mean 0 and variance 1."""

    def applied(self):
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        return (self.weight - mean) / self.weight.std((1, 2, 3), keepdim=True)

    def forward(self, x):
        return nn.functional.conv2d(x, self.applied(), self.bias)


def applying(layer, applied):
    """Two layers of which the first applies another matrix than its weight."""
    model = made(lambda: nn.Sequential(layer(8, 12), nn.Tanh(), nn.Linear(12, 2)))
    x, y = data()
    with torch.no_grad():
        W = array(applied(model[0]))
    h = np.tanh(array(x) @ W.T + array(model[0].bias))
    known = {"0": Known(array(x), W), "2": Known(h, matrix(model[2]))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h))


@case("Masked layer (MADE)", FAMILY, "applies weight × mask")
def masked():
    return applying(MaskedLinear, lambda layer: layer.weight * layer.mask())


@case("Ternary layer", FAMILY, "applies rounded weights")
def ternary():
    return applying(Ternary, lambda layer: layer.applied())


@case("Weight-standardised convolution", FAMILY, "applies another kernel")
def standardised():
    from reference.subspace import conv_weight_matrix

    model = made(lambda: nn.Sequential(Standardised(3, 6, 2), nn.Flatten(), nn.Linear(24, 2)))
    x, y = data(40, 3, shape=(3, 3))
    x = x.permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        W, h = conv_weight_matrix(array(model[0].applied())), array(model[:2](x))
    known = {"0": Known(array(x).mean((2, 3)), W), "2": Known(h, matrix(model[2]))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h))


@case("A layer that is not linear in its input", FAMILY, "NRC3 is undefined")
def gated():
    class Gated(nn.Linear):
        def forward(self, x):
            return super().forward(x) * torch.sigmoid(x.mean(-1, keepdim=True))

    model = made(lambda: nn.Sequential(Gated(8, 12), nn.Tanh(), nn.Linear(12, 2)))
    x, y = data()
    with torch.no_grad():
        h = array(model[:2](x))
    known = {"0": Known(array(x), None), "2": Known(h, matrix(model[2]))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h))


@case("LoRA", FAMILY, "the base layer and its adapter apply W + BA", needs="peft")
def lora():
    return adapted(use_dora=False)


@case("DoRA", FAMILY, "a direction and a length", needs="peft")
def dora():
    return adapted(use_dora=True)


def adapted(use_dora):
    from peft import LoraConfig, get_peft_model

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(8, 12), nn.Linear(12, 2)

        def forward(self, x):
            return self.head(torch.tanh(self.first(x)))

    config = LoraConfig(r=2, target_modules=["first"], use_dora=use_dora, init_lora_weights=False)
    model = made(lambda: get_peft_model(Net(), config))
    net = model.base_model.model
    x, y = data()
    with torch.no_grad():
        zero, basis = torch.zeros(1, 8).double(), torch.eye(8).double()
        W = array(net.first(basis) - net.first(zero)).T
        h = array(torch.tanh(net.first(x)))
    known = {
        "base_model.model.first.base_layer": Known(array(x), W),
        "base_model.model.head": Known(h, matrix(net.head)),
    }
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(net.head, h))


@case("Dynamically quantised", FAMILY, "int8 layers are left out by name, the rest is right")
def quantised():
    import warnings

    model = chain(lambda: [nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2)]).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = torch.ao.quantization.quantize_dynamic(model[:1], {nn.Linear}, torch.qint8)
    mixed = nn.Sequential(first[0], model[1], model[2]).eval()
    x, y = data()
    with torch.no_grad():
        # The range of the inputs is taken from each batch.
        h = relu(np.concatenate([array(first(a)) for a, _ in batches(x.float(), y)]))
    known = {"2": Known(h, matrix(model[2]))}
    return Right(
        lambda: deepnrc.measure(mixed, batches(x.float(), y), precision="double"),
        known,
        y,
        linear(model[2], h),
        rtol=1e-4,
    )


@case("Collapsed through a layer without a matrix", FAMILY, "NRC3 is left out of its verdict")
def collapsed_through():
    from architectures.plain import Collapsed

    class Sine(nn.Linear):
        def forward(self, x):
            return super().forward(x).sin().asin()  # the identity of what is small, but not linear

    class Net(Collapsed):
        def __init__(self):
            super().__init__()
            layer = Sine(16, 16, bias=False)
            layer.weight = self.fc2.weight
            self.fc2 = layer

    model = made(Net)
    x, _ = data()
    h1 = linear(model.fc1, array(x))
    z = h1 @ matrix(model.fc2).T
    h2 = np.arcsin(np.sin(z))
    curved = bool(np.abs(h2 - z).max() > 1e-3)  # beyond a quarter turn
    known = {
        "fc1": Known(array(x), matrix(model.fc1)),
        "fc2": Known(h1, None if curved else matrix(model.fc2)),
        "out": Known(h2, matrix(model.out)),
    }
    return Right(
        lambda: deepnrc.measure(model, batches(x, x[:, :2])), known, x[:, :2], linear(model.out, h2)
    )
