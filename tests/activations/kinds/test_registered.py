"""Layers of users' own classes, as an outside user registers them."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import deepnrc
from activations.kinds.entering import entering
from deepnrc.errors import LayerError
from helpers import fingerprint, in_plain_python, regression_data, seeded
from reference.network import layer_truth


class Functional(nn.Module):
    """F.linear with a parameter."""

    def __init__(self, d, p):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(p, d) / d**0.5), nn.Parameter(torch.randn(p))

    def forward(self, x):
        return functional.linear(x, self.w, self.b)


class KAN(nn.Module):
    """A Kolmogorov–Arnold layer: Gaussian bumps of each feature, and a base weight."""

    def __init__(self, d, p, bumps=3):
        super().__init__()
        self.coefficients = nn.Parameter(torch.randn(p, d, bumps) / (d * bumps) ** 0.5)
        self.base = nn.Parameter(torch.randn(p, d) / d**0.5)
        self.register_buffer("centres", torch.linspace(-1, 1, bumps))

    def basis(self, x):
        return torch.exp(-((x[..., None] - self.centres) ** 2)).flatten(-2)

    def forward(self, x):
        bumps = functional.linear(self.basis(x), self.coefficients.flatten(1))
        return bumps + functional.linear(functional.silu(x), self.base)


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(12, 4))  # in × out

    def forward(self, x, context):
        return torch.cat([x, context], -1) @ self.kernel


KAN_PARTS = {
    "coefficients": lambda layer: layer.coefficients.flatten(1),
    "base": "base",
}
KAN_ROWS = {
    "coefficients": lambda layer, x: layer.basis(x),
    "base": lambda layer, x: functional.silu(x),
}


def network(*layers):
    with seeded():
        return nn.Sequential(*(make() for make in layers))


def assert_truth(layer, rows, matrix, targets):
    given = (x.detach().double().numpy() for x in (rows, matrix, targets))
    truth = layer_truth(*given, layer.signal_rank)
    # The rows are in single precision.
    assert layer.noise_component == pytest.approx(truth.nrc1, rel=1e-5)
    assert layer.signal_target_cka == pytest.approx(truth.nrc2, rel=1e-5)
    assert layer.feature_weight_alignment == pytest.approx(truth.nrc3, rel=1e-5)
    assert layer.linear_prediction_mse == pytest.approx(truth.nrc4, rel=1e-5)


def test_a_layer_with_a_plain_parameter_is_measured_and_recognized_as_the_last():
    x, y = regression_data(60)
    model = network(lambda: nn.Linear(8, 16), nn.ReLU, lambda: Functional(16, 2))
    before = fingerprint(model)
    with deepnrc.register_layer(Functional, weight="w", bias="b"):
        measurement = deepnrc.measure(model, [(x, y)], last_layer="paper2024")
        planned = deepnrc.plan(model, (x, y))
        monitor = deepnrc.Monitor(model, [(x, y)])
        recorded = monitor.step(0).measurement
    assert fingerprint(model) == before
    assert measurement.names == ("0", "2")
    assert measurement.last_layer.layer == "2"
    assert [(layer.kind, layer.role) for layer in planned.layers] == [
        ("linear", "path"),
        ("registered", "last"),
    ]
    with torch.no_grad():
        assert_truth(measurement["2"], model[1](model[0](x)), model[2].w, y)
    assert recorded["2"].values == measurement["2"].values


def test_a_linear_layer_of_ones_own_gives_what_torchs_gives():
    x, y = regression_data(60)
    model = network(lambda: nn.Linear(8, 16), nn.ReLU, lambda: nn.Linear(16, 2))
    own = network(lambda: nn.Linear(8, 16), nn.ReLU, lambda: Functional(16, 2))
    own[0].load_state_dict(model[0].state_dict())
    with torch.no_grad():
        own[2].w.copy_(model[2].weight)
        own[2].b.copy_(model[2].bias)
    with deepnrc.register_layer(Functional, weight="w", bias=lambda layer: layer.b):
        one, other = (deepnrc.measure(m, [(x, y)]) for m in (model, own))
    for a, b in zip(one, other, strict=True):
        assert a.values == b.values
    assert str(one) == str(other)


def test_a_kan_has_two_weights_a_layer():
    x, y = regression_data(60)
    model = network(lambda: KAN(8, 4), lambda: KAN(4, 2))
    with deepnrc.register_layer(KAN, weight=KAN_PARTS, rows=KAN_ROWS):
        measurement = deepnrc.measure(model, [(x[:30], y[:30]), (x[30:], y[30:])])
    assert measurement.names == ("0.coefficients", "0.base", "1.coefficients", "1.base")
    assert [layer.width for layer in measurement] == [24, 8, 12, 4]
    with torch.no_grad():
        h = model[0](x)
        rows = model[1].basis(h), functional.silu(h)
    for name, found, matrix in zip(
        ("coefficients", "base"),
        rows,
        (model[1].coefficients.flatten(1), model[1].base),
        strict=True,
    ):
        assert_truth(measurement[f"1.{name}"], found, matrix, y)


def test_a_mixture_of_two_inputs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded():
                self.mixture, self.head = Mixture(), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.mixture(x, context=x[:, :4] ** 2))

    x, y = regression_data(60)
    model = Net()
    with deepnrc.register_layer(
        Mixture,
        weight=lambda layer: layer.kernel.T,
        rows=lambda layer, x, context: torch.cat([x, context], -1),
    ):
        measurement = deepnrc.measure(model, [(x, y)])
    rows = torch.cat([x, x[:, :4] ** 2], -1)
    assert_truth(measurement["mixture"], rows, model.mixture.kernel.T, y)


def test_rows_that_need_the_output_are_taken_after_the_call():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.out = nn.Linear(8, 6), nn.Parameter(torch.ones(2, 6))

        def forward(self, x):
            h = self.gate(x).sigmoid()
            return h @ self.out.T, h

    model = Gated()
    x = torch.randn(20, 8)
    with deepnrc.register_layer(Gated, weight="out", rows=lambda layer, x, output: output[1]):
        seen, _ = entering(model, x)
    assert [*seen] == ["gate", "out"] or [*seen] == ["gate", ""]
    assert torch.equal(seen[""][0], model(x)[1].detach())


def test_rows_may_call_modules_inside_without_being_counted_twice():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded():
                self.first, self.w = nn.Linear(8, 6), nn.Parameter(torch.randn(2, 6))

        def forward(self, x):
            return self.first(x).relu() @ self.w.T

    x, y = regression_data(60)
    rows = lambda net, x: net.first(x).relu()  # noqa: E731
    with deepnrc.register_layer(Whole, weight={"w": "w"}, rows=rows):
        measurement = deepnrc.measure(Whole(), [(x, y)])
    assert {layer.name: (layer.rows, layer.calls) for layer in measurement} == {
        "w": (60, 1),
        "first": (60, 1),
    }


def test_it_comes_before_what_is_built_in_and_holds_for_subclasses():
    class Masked(nn.Linear):
        def forward(self, x):
            return functional.linear(x, self.weight.tril())

    class Further(Masked):
        pass

    model = network(lambda: Further(4, 4))
    assert entering(model, torch.ones(3, 4))[1]["0"].kind == "linear"
    with deepnrc.register_layer(Masked, weight=lambda layer: layer.weight.tril()):
        layer = entering(model, torch.ones(3, 4))[1]["0"]
        assert layer.kind == "registered"
        assert torch.equal(layer.weight_matrix(), model[0].weight.detach().double().tril())
        with deepnrc.register_layer(Further, weight=lambda layer: layer.weight[:2]):
            assert len(entering(model, torch.ones(3, 4))[1]["0"].weight_matrix()) == 2
    assert entering(model, torch.ones(3, 4))[1]["0"].kind == "linear"


def test_a_later_registration_replaces_an_earlier_one():
    first = deepnrc.register_layer(Functional, weight="b")
    second = deepnrc.register_layer(Functional, weight="w")
    first.unregister()  # has nothing left to take back
    assert [*entering(Functional(3, 2), torch.ones(4, 3))[1]] == [""]
    second.unregister()
    with pytest.raises(LayerError, match="Functional has no weight layer of a known kind"):
        entering(Functional(3, 2), torch.ones(4, 3))


def test_a_part_that_a_module_lacks_is_left_out():
    class Optional(Functional):
        extra = None

    with deepnrc.register_layer(Optional, weight={"w": "w", "extra": "extra"}):
        assert [*entering(Optional(3, 2), torch.ones(4, 3))[1]] == ["w"]


def test_rows_of_several_positions_and_time_major_layers():
    class Net(nn.Module):
        def __init__(self, turned):
            super().__init__()
            self.turned = turned
            with seeded():
                self.inner, self.head = Functional(8, 6), nn.Linear(6, 2)

        def forward(self, x):
            x = x.transpose(0, 1) if self.turned else x
            return self.head(self.inner(x).tanh().mean(0 if self.turned else 1))

    x, y = torch.randn(24, 5, 8), torch.randn(24, 2)
    with deepnrc.register_layer(Functional, weight="w", bias="b"):
        one, other = (deepnrc.measure(Net(turned), [(x, y)]) for turned in (False, True))
    assert one["inner"].values == pytest.approx(other["inner"].values, rel=1e-6)
    assert not np.isnan(one["inner"].noise_component)


# Messages


def rows_of_width(width):
    return lambda layer, x: x[..., :width]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": "weigt"}, r"layer 'f' \(Functional\): weight of register_layer\(Functional, …\)"
         r" is 'weigt', but a Functional has no attribute 'weigt': .*choose from w, b$"),
        ({"weight": "b"}, r"layer 'f' \(Functional\): weight of register_layer\(Functional, …\)"
         r" must give a p × d matrix of real numbers; got shape \(2,\) of torch.float32: pass a "
         r"function that returns the matrix, such as lambda layer: layer.w.flatten\(1\)$"),
        ({"weight": lambda layer: [[1.0]]}, r"weight of .* must give a tensor; got a list$"),
        ({"weight": lambda layer: layer.v}, r"weight of .* failed \(AttributeError: .*'v'\)$"),
        ({"weight": {"all": "b"}}, r"weight\['all'\] of register_layer\(Functional, …\) must"),
        ({"weight": "w", "bias": "w"}, r"bias of .* must give 2 numbers, one for each row of the "
         r"weight; got shape \(2, 8\)$"),
        ({"weight": "w", "rows": rows_of_width(5)}, r"layer 'f' takes 8 features; got an input of "
         r"shape \(60, 5\): the matrix of register_layer\(Functional, …\) has 8 columns; pass "
         "rows= that returns what it is multiplied with, or the matrix transposed$"),
        ({"weight": "w", "rows": lambda layer: 1}, r"layer 'f' \(Functional\): rows= of .* failed "
         r"\(TypeError: .*\): it is called with the module and what the module is called with$"),
        ({"weight": "w", "rows": lambda layer, x: [x]}, r"layer 'f' \(Functional\): rows= of .*"
         r" must return a tensor \(…, d\); got a list$"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_when_it_is_measured(options, message):
    model = nn.Sequential()
    model.add_module("f", Functional(8, 2))
    x, y = regression_data(60)
    before = fingerprint(model)
    with (
        deepnrc.register_layer(Functional, **options),
        pytest.raises(LayerError, match=message),
    ):
        deepnrc.measure(model, [(x, y)], progress=False)
    assert fingerprint(model) == before


def test_what_cannot_be_registered_is_refused():
    calls = {
        "Net, weight={}": (
            "weight of register_layer(Net, …) must name a weight; got an empty mapping"
        ),
        "Net, weight={'a#1': 'w'}": (
            "weight of register_layer(Net, …) must have names without '#' as keys; got 'a#1'"
        ),
        "Net, weight={'one': 'w'}, rows={'on': len}": (
            "rows of register_layer(Net, …) has the key 'on', which weight has not: did you mean "
            "'one'? choose from 'one'"
        ),
        "Net, weight='w', bias={'one': 'b'}": (
            "bias of register_layer(Net, …) has the key 'one', but weight is no mapping: pass it "
            "as weight is"
        ),
        "nn.Module, weight='w'": "cls must be a class of torch.nn.Module; got Module",
        "dict, weight='w'": "cls must be a class of torch.nn.Module; got dict",
        "Net(), weight='w'": (
            "cls must be a class of torch.nn.Module; got a Net: pass type(layer), Net"
        ),
        "Net, weight=3": (
            "weight of register_layer(Net, …) must be an attribute's name or a function of the "
            "module, or a mapping of these; got int: pass weight=lambda layer: layer.w"
        ),
        "Net, weight='w', rows='x'": (
            "rows of register_layer(Net, …) must be a function of the module, or a mapping of "
            "these; got str: pass rows=lambda layer, x: x"
        ),
    }
    out = in_plain_python(f"""
        import json
        import deepnrc
        from torch import nn
        class Net(nn.Module):
            pass
        said = {{}}
        for call in {list(calls)!r}:
            try:
                eval(f"deepnrc.register_layer({{call}})")
            except deepnrc.errors.ArgumentError as error:
                said[call] = str(error)
        print(json.dumps(said))
    """)
    assert json.loads(out) == calls
