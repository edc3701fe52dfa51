"""Recurrent networks: rows and matrices of each weight against loops over samples and steps."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import deepnrc
from activations.kinds.entering import entering
from deepnrc.support.undefined import Undefined
from helpers import fingerprint, seeded
from reference.recurrent import one_sample

RTOL = 1e-12  # float64 throughout; sums in another order

KINDS = [
    (nn.LSTM, {}),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True, "proj_size": 3}),
    (nn.LSTM, {"num_layers": 3, "dropout": 0.5, "bias": False}),
    (nn.GRU, {"num_layers": 2}),
    (nn.GRU, {"bidirectional": True, "bias": False}),
    (nn.RNN, {"num_layers": 2, "bidirectional": True}),
    (nn.RNN, {"nonlinearity": "relu"}),
]


def made(cls, options):
    with seeded():
        return cls(4, 5, **options).double()


def states(module, samples):
    """Random h_0 (and c_0) and the twin's arguments of each sample."""
    generator = torch.Generator().manual_seed(3)
    count = module.num_layers * (1 + module.bidirectional)
    sizes = [module.proj_size or module.hidden_size, module.hidden_size]
    h, c = (
        torch.randn(count, samples, size, generator=generator, dtype=torch.float64)
        for size in sizes
    )
    each = [{"h0": h[:, i].numpy(), "c0": c[:, i].numpy()} for i in range(samples)]
    return (h, c) if module.mode == "LSTM" else h, each


@pytest.mark.parametrize(("cls", "options"), KINDS)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("given_state", [True, False])
@pytest.mark.parametrize(("samples", "steps"), [(6, 7), (1, 7), (6, 1), (5, 5)])
def test_rows_are_those_of_loops_over_steps(cls, options, batch_first, given_state, samples, steps):
    module = made(cls, options | {"batch_first": batch_first})
    x = torch.randn(samples, steps, 4, dtype=torch.float64)
    state, each = states(module, samples)
    model = nn.ModuleDict({"rnn": module})
    model.forward = lambda x, *rest: module(x, *rest)
    given = x if batch_first else x.transpose(0, 1)
    seen, layers = entering(model, given, *([state] if given_state else []))
    twins = [
        one_sample(module, x[i].numpy(), **(each[i] if given_state else {})) for i in range(samples)
    ]
    names = [name for name, _ in module.named_parameters() if name.startswith("weight")]
    assert [name.removeprefix("rnn.") for name in layers] == names
    for name in names:
        (got,) = seen[f"rnn.{name}"]
        got = got if batch_first else got.transpose(0, 1)
        expected = np.stack([twin[name] for twin, _ in twins])
        np.testing.assert_allclose(got.numpy(), expected, rtol=RTOL, atol=RTOL)
        layer = layers[f"rnn.{name}"]
        weight = getattr(module, name).detach()
        assert torch.equal(layer.weight_matrix(), weight)
        assert layer.feature_dim == weight.shape[1]
        bias = getattr(module, name.replace("weight", "bias"), None)
        assert (layer.bias is None) == (bias is None)
        assert bias is None or torch.equal(layer.bias, bias.detach())


@pytest.mark.parametrize(("cls", "options"), KINDS)
@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("given_state", [True, False])
def test_rows_of_packed_sequences(cls, options, enforce_sorted, given_state):
    module = made(cls, options)
    lengths = torch.tensor([7, 5, 5, 2, 1] if enforce_sorted else [2, 7, 5, 1, 5])
    x = torch.randn(5, 7, 4, dtype=torch.float64)
    state, each = states(module, 5)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted)
    model = nn.ModuleDict({"rnn": module})
    model.forward = lambda x, *rest: module(x, *rest)
    seen, _ = entering(model, packed, *([state] if given_state else []))
    for i, length in enumerate(lengths.tolist()):
        twin, _ = one_sample(module, x[i, :length].numpy(), **(each[i] if given_state else {}))
        for name, expected in twin.items():
            (got,) = seen[f"rnn.{name}"]
            assert got.kept[i].tolist() == [t < length for t in range(7)]
            np.testing.assert_allclose(
                got.values[i, :length].numpy(), expected, rtol=RTOL, atol=RTOL
            )


def test_a_sequence_without_an_axis_of_samples():
    module = made(nn.LSTM, {"num_layers": 2})
    x = torch.randn(6, 4, dtype=torch.float64)
    seen, _ = entering(module, x)
    for name, expected in one_sample(module, x.numpy())[0].items():
        np.testing.assert_allclose(seen[name][0].numpy(), expected, rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_agree_with_themselves(cls, dtype):
    module = made(cls, {"num_layers": 3, "bidirectional": True}).to(dtype)
    seen, _ = entering(module, torch.randn(8, 20, 4, dtype=dtype))
    assert not any(isinstance(x, Undefined) for calls in seen.values() for x in calls)


class Scaled(nn.LSTM):
    """Not what its weights say."""

    def forward(self, x):
        return 2 * super().forward(x)[0], None


class Odd(nn.GRU):
    def forward(self, first, second):
        return super().forward(first + second)[0].sum()


def test_where_the_module_does_something_else_its_rows_are_undefined():
    for module, inputs in ((made(Scaled, {}), 1), (made(Odd, {}), 2)):
        seen, _ = entering(module, *[torch.randn(6, 3, 4, dtype=torch.float64)] * inputs)
        assert all(isinstance(x, Undefined) for calls in seen.values() for x in calls)
    (reason,) = {x.reason for calls in seen.values() for x in calls}
    assert reason.startswith("its steps cannot be followed (")


def test_a_weight_normed_recurrent_weight_is_the_one_in_use():
    module = made(nn.LSTM, {"batch_first": True})
    normed = torch.nn.utils.parametrizations.weight_norm(copy.deepcopy(module), "weight_hh_l0")
    with torch.no_grad():
        normed.parametrizations.weight_hh_l0.original0.mul_(2.0)
    _, layers = entering(normed, torch.randn(6, 3, 4, dtype=torch.float64))
    matrix = layers["weight_hh_l0"].weight_matrix()
    torch.testing.assert_close(matrix, 2 * module.weight_hh_l0.detach())


class Forecast(nn.Module):
    def __init__(self, batch_first, cls=nn.LSTM):
        super().__init__()
        with seeded():
            self.rnn = cls(4, 5, 2, batch_first=batch_first)
            self.head = nn.Linear(5, 2)

    def forward(self, x):
        outputs, _ = self.rnn(x if self.rnn.batch_first else x.transpose(0, 1))
        return self.head(outputs[:, -1] if self.rnn.batch_first else outputs[-1])


@pytest.mark.parametrize("rule", ["mean", "last", "samples"])
@pytest.mark.parametrize("steps", [8, 12])
def test_time_major_networks_give_what_batch_first_ones_give(rule, steps):
    """Also with as many steps as samples in a batch."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(24, steps, 4, generator=generator)
    data = [(x[i : i + 12], x[i : i + 12, :2, 0]) for i in (0, 12)]
    found = []
    for batch_first in (True, False):
        model = Forecast(batch_first).double()
        before = fingerprint(model)
        inputs = [(x.double(), y) for x, y in data]
        found.append(deepnrc.measure(model, inputs, reduce=rule, progress=False))
        assert fingerprint(model) == before
    one, other = found
    assert one.names == other.names
    assert one.names[-1] == "head"
    assert [layer.depth for layer in one] == [0, 0, 1, 1, 2]
    for a, b in zip(one, other, strict=True):
        assert a.role == b.role != "unpaired"
        assert a.values == pytest.approx(b.values, rel=1e-9, abs=1e-12, nan_ok=True)


def test_packed_networks_give_what_padded_ones_with_a_mask_give():
    class Packed(Forecast):
        def forward(self, x, mask):
            lengths = mask.sum(1).cpu()
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return self.head(self.rnn(packed)[1][-1])

    class Padded(Forecast):
        def forward(self, x, mask):
            outputs, _ = self.rnn(x)
            return self.head(outputs[torch.arange(len(x)), mask.sum(1) - 1])

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 9, 4, generator=generator, dtype=torch.float64)
    mask = torch.arange(9) < torch.randint(1, 10, (40, 1), generator=generator)
    batches = [((x[i : i + 20], mask[i : i + 20]), x[i : i + 20, 0, :2]) for i in (0, 20)]
    measured = [
        deepnrc.measure(cls(True, nn.GRU).double(), batches, progress=False, mask=lambda b: b[0][1])
        for cls in (Packed, Padded)
    ]
    for a, b in zip(*measured, strict=True):
        assert a.values == pytest.approx(b.values, rel=1e-9, abs=1e-12)
    unmasked = deepnrc.measure(Packed(True, nn.GRU).double(), batches, progress=False)
    assert unmasked[0].values == pytest.approx(measured[0][0].values, rel=1e-12)


def test_inputs_of_another_dtype_are_cast_as_for_other_layers():
    """Recurrent networks refuse them with another kind of error."""
    x = torch.randn(20, 3, 4, dtype=torch.float64)
    measurement = deepnrc.measure(Forecast(True), [(x, x[:, 0, :2])], progress=False)
    assert measurement.notes == ("inputs were cast to torch.float32, the model's own dtype",)


def test_sequences_that_the_model_sorts_are_not_taken_in_the_batchs_order():
    class Sorting(Forecast):
        def forward(self, x, lengths):
            order = lengths.argsort(descending=True, stable=True)
            packed = pack_padded_sequence(x[order], lengths[order], batch_first=True)
            return self.head(self.rnn(packed)[1][-1][order.argsort()])

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 9, 4, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, 10, (40,), generator=generator)
    model = Sorting(True, nn.GRU).double()
    measurement = deepnrc.measure(model, [((x, lengths), x[:, 0, :2])], progress=False)
    reason = "it takes the samples in another order than the batch"
    assert {layer.role for layer in measurement if "rnn" in layer.name} == {"unpaired"}
    assert set(measurement["rnn.weight_ih_l0"].undefined.values()) == {reason}
    assert measurement["head"].role == "path"
