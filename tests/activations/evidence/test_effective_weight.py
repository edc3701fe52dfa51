"""What layers apply: dense float64 twins of each kind, and the law for convolutions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from deepnrc.activations.evidence.effective_weight import WeightEvidence
from deepnrc.activations.layers import find_layers
from deepnrc.support.undefined import Undefined
from helpers import seeded


def applied(module, x, *, forward=None):
    """What is found of the only layer of a model, from one forward pass."""
    (layer,) = find_layers(module)[0]
    evidence = WeightEvidence([layer])

    def before(module, args, kwargs):
        if not evidence.busy:
            evidence.entered(layer.name, args[0].detach())

    def after(module, args, kwargs, output):
        if not evidence.busy:
            evidence.left(layer.name, (args, kwargs), output)

    handles = [
        layer.module.register_forward_pre_hook(before, with_kwargs=True),
        layer.module.register_forward_hook(after, with_kwargs=True),
    ]
    module.eval()
    with torch.no_grad():
        forward(module, x) if forward else module(x)
    for handle in handles:
        handle.remove()
    return evidence.applied[layer.name], layer


class Masked(nn.Linear):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("mask", (torch.rand_like(self.weight) < 0.4).to(self.weight))

    def used(self):
        return self.weight * self.mask

    def forward(self, x):
        return functional.linear(x, self.used(), self.bias)


class Ternary(Masked):
    def used(self):
        scale = self.weight.abs().mean()
        return (self.weight / scale).round().clamp(-1, 1) * scale


class Scaled(Masked):
    """With another bias too, as of equalized learning rates."""

    def used(self):
        return self.weight * 3

    def forward(self, x):
        return functional.linear(x, self.used(), self.bias * 5)


LINEAR = {"masked": Masked, "ternary": Ternary, "scaled": Scaled}
EPS = {torch.float64: 1e-15, torch.float32: 1e-6, torch.bfloat16: 2e-2, torch.float16: 2e-3}


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", [(20,), (5, 7), (3, 2, 4), ()])
@pytest.mark.parametrize("kind", LINEAR)
def test_linear_layers_with_a_weight_of_their_own(kind, shape, dtype):
    with seeded():
        layer, x = LINEAR[kind](12, 9).to(dtype), 3 * torch.randn(*shape, 12).to(dtype)
    got, _ = applied(layer, x)
    expected = layer.used().double()
    bias = layer.bias.double() * (5 if kind == "scaled" else 1)
    assert got.source == "layer"
    # A column is one product, rounded where the bias is added, which is taken off again.
    torch.testing.assert_close(got.weight, expected, rtol=EPS[dtype], atol=EPS[dtype])
    torch.testing.assert_close(got.bias, bias, rtol=EPS[dtype], atol=EPS[dtype])
    assert "found by applying it to a basis" in got.notes[0]


def standardized(weight):
    axes = tuple(range(1, weight.ndim))
    return (weight - weight.mean(axes, keepdim=True)) / weight.std(axes, keepdim=True)


class Standardized(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, standardized(self.weight), self.bias)


class OwnConvolution(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, standardized(weight), bias)


class SamePadded(nn.Conv2d):
    """As of TensorFlow's and of timm's layers: the padding follows from the input's size."""

    def forward(self, x):
        for axis in (-1, -2):
            k, s, size = self.kernel_size[axis], self.stride[axis], x.shape[axis]
            span = (k - 1) * self.dilation[axis] + 1
            total = max(0, (-(-size // s) - 1) * s + span - size)
            pad = (total // 2, total - total // 2)
            x = functional.pad(x, pad if axis == -1 else (0, 0, *pad))
        return functional.conv2d(
            x, self.used(), self.bias, self.stride, 0, self.dilation, self.groups
        )

    def used(self):
        return self.weight


class StandardizedSame(SamePadded):
    def used(self):
        return standardized(self.weight)


def plain_twin(layer, weight):
    """The weight as a matrix, by copying it into an ordinary convolution."""
    arguments = {name: getattr(layer, name) for name in ("stride", "dilation", "groups")}
    twin = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, **arguments).double()
    with torch.no_grad():
        twin.weight.copy_(weight)
    return find_layers(twin)[0][0].weight_matrix()


CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "padding": "same", "dilation": 2},
    {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0), "groups": 2},
    {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    {"kernel_size": 3, "padding": 2, "padding_mode": "reflect", "bias": False},
    {"kernel_size": 3, "padding": 1, "padding_mode": "replicate", "stride": 2},
    {"kernel_size": 1, "stride": 3},
    {"kernel_size": 4, "stride": 4},
]


@pytest.mark.parametrize("arguments", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("kind", [Standardized, OwnConvolution, StandardizedSame])
def test_convolutions_with_a_weight_of_their_own(kind, arguments):
    with seeded():
        layer, x = kind(4, 6, **arguments).double(), torch.randn(5, 4, 11, 9).double()
    if kind is StandardizedSame:
        layer.padding, layer.padding_mode = (0, 0), "zeros"
    got, _ = applied(layer, x)
    assert got.source == "layer"
    expected = plain_twin(layer, standardized(layer.weight))
    torch.testing.assert_close(got.weight, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_convolution_that_pads_by_itself_has_its_own_weight(stride):
    with seeded():
        layer, x = SamePadded(4, 6, 3, stride=stride), torch.randn(5, 4, 12, 9)
    got, found = applied(layer, x)
    assert (got.source, got.notes) == ("", ())
    assert torch.equal(got.weight, found.weight_matrix())


KINDS = [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d]


@st.composite
def convolutions(draw):
    kind = draw(st.sampled_from(KINDS))
    axes = int(kind.__name__[-2])
    transposed = "Transpose" in kind.__name__

    def sizes(least, most):
        return tuple(draw(st.integers(least, most)) for _ in range(axes))

    groups = draw(st.sampled_from([1, 2]))
    kernel, stride, dilation, padding = sizes(1, 3), sizes(1, 3), sizes(1, 2), sizes(0, 1)
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(min(p, span) for p, span in zip(padding, spans, strict=True))
    modes = ["zeros"] if transposed else ["zeros", "circular", "reflect", "replicate"]
    arguments = {
        "stride": stride,
        "dilation": dilation,
        "padding": padding,
        "groups": groups,
        "bias": draw(st.booleans()),
        "padding_mode": draw(st.sampled_from(modes)),
    }
    if transposed:
        arguments["output_padding"] = tuple(
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        )
    shape = tuple(span + draw(st.integers(2, 4)) for span in spans)
    return kind, kernel, arguments, shape


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_the_effective_matrix_of_a_plain_convolution_is_its_weight(drawn):
    kind, kernel, arguments, shape = drawn
    with seeded():
        layer, x = kind(4, 6, kernel, **arguments).double(), torch.randn(3, 4, *shape).double()
    got, found = applied(layer, x)
    assert got.source == ""
    assert torch.equal(got.weight, found.weight_matrix())

    class Doubled(kind):
        def forward(self, x):
            return 2 * super().forward(x)

    with seeded():
        layer = Doubled(4, 6, kernel, **arguments).double()
    got, found = applied(layer, x)
    assert got.source == "layer"
    # A kernel's entry stands alone in an output: rounded once when the bias is taken off.
    torch.testing.assert_close(got.weight, 2 * found.weight_matrix(), rtol=1e-13, atol=1e-13)
    if layer.bias is not None:
        torch.testing.assert_close(got.bias, 2 * layer.bias.detach(), rtol=1e-13, atol=1e-13)


class Quantized(nn.Linear):
    """Rounds what enters it to a few values."""

    def forward(self, x):
        scale = x.abs().amax(-1, keepdim=True) / 7
        return super().forward((x / scale).round() * scale)


class Stochastic(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight + 0.1 * torch.randn_like(self.weight), self.bias)


class Rectified(nn.Linear):
    def forward(self, x):
        return super().forward(x).relu()


@pytest.mark.parametrize("kind", [Quantized, Stochastic, Rectified])
def test_layers_that_are_not_linear(kind):
    with seeded():
        layer, x = kind(12, 9), torch.randn(20, 12)
    got, _ = applied(layer, x)
    assert got.source == "undefined"
    assert isinstance(got.weight, Undefined)
    assert got.weight.reason.startswith("the layer's output is not W h + b and it is not linear: ")
    assert got.outputs == 9


def test_the_layer_is_called_in_the_surroundings_of_its_call_and_left_as_it_was():
    class Counting(Masked):
        def __init__(self):
            super().__init__(12, 9)
            self.count, self.gain = 0, 1.0

        def forward(self, x):
            self.count += 1
            return self.gain * super().forward(x) + 0 * torch.rand(())

    def within(module, x):
        module.gain = 2.0
        module(x)
        module.gain = 1.0

    with seeded():
        layer, x = Counting(), torch.randn(20, 12)
        torch.manual_seed(1)
        got, _ = applied(layer, x, forward=within)
        after = torch.rand(3)
        torch.manual_seed(1)
        torch.rand(())
        assert torch.equal(after, torch.rand(3))
    assert layer.count == 1
    torch.testing.assert_close(got.weight, 2 * layer.used().double())
