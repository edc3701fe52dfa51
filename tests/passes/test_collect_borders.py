"""Models and inputs at the border: cast and said, or refused with what to do."""

import threading

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.errors import ArgumentError, DataError, LayerError
from helpers import regression_data, seeded, small_network


class Force(nn.Module):
    """−dE/dx by autograd, as in force fields and physics-informed networks."""

    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x):
        x = x.clone().requires_grad_()
        return -torch.autograd.grad(self.energy(x).sum(), x)[0]


def test_a_model_that_differentiates_in_its_forward():
    x, _ = regression_data(40)
    got = deepnrc.measure(Force(), [(x, x)])
    assert got.names == ("energy.0", "energy.2")
    assert not torch.is_grad_enabled() or got.model_mse > 0


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (torch.float32, torch.float64),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.int64),
    ],
)
def test_inputs_of_another_dtype_are_cast_and_it_is_said(model, inputs):
    x, y = regression_data(40)
    x = (4 * x).to(inputs)
    got = deepnrc.measure(small_network().to(model), [(x, y)])
    assert got.notes == (f"inputs were cast to {model}, the model's own dtype",)
    assert f"cast to {model}" in str(got)
    expected = deepnrc.measure(small_network().to(model), [(x.to(model), y)])
    assert expected.notes == ()
    assert repr(got.layers) == repr(expected.layers)


def test_a_model_on_the_meta_device():
    with torch.device("meta"):
        model = small_network()
    with pytest.raises(LayerError, match="is on the meta device, where weights have no values"):
        deepnrc.measure(model, [regression_data()])


def test_an_exported_graph():
    x, y = regression_data(40)
    module = torch.export.export(small_network().eval(), (x,)).module()
    with pytest.raises(
        LayerError, match=r"exported graph .*: measure the module that was exported"
    ):
        deepnrc.measure(module, [(x, y)])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_inputs(layout):
    class Ragged(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, rows):
            return self.second(torch.stack([r.mean(0) for r in self.first(rows).unbind()]))

    rows = torch.nested.nested_tensor([torch.randn(k, 3) for k in (2, 5, 3)], layout=layout)
    message = "layer 'first' is given a nested tensor, .* make it dense"
    with pytest.raises(LayerError, match=message):
        deepnrc.measure(Ragged(), [(rows, torch.randn(3, 2))])


def test_sparse_inputs():
    x, y = regression_data(40)
    with pytest.raises(LayerError, match=r"layer '0' is given a sparse tensor, .* make it dense"):
        deepnrc.measure(small_network(), [(x.to_sparse(), y)])


def test_vmap_inside_forward():
    stacked, _ = torch.func.stack_module_state([small_network(seed=i) for i in range(3)])

    def forward(model, x):
        call = torch.func.functional_call
        return torch.vmap(lambda weights: call(model, weights, (x,)))(stacked).mean(0)

    with pytest.raises(
        LayerError, match=r"layer '\w' is called inside torch\.vmap: measure the st"
    ):
        deepnrc.measure(small_network(), [regression_data()], forward=forward)


def test_unpack_that_gives_no_pair():
    message = r"unpack must return \(inputs, targets\); got a Tensor of shape \(40, 8\): return a p"
    with pytest.raises(DataError, match=message):
        deepnrc.measure(small_network(), [regression_data()], unpack=lambda batch: batch[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forward": lambda x: x}, r"forward must be a function of \(model, inputs\); calling it"),
        ({"unpack": lambda: None}, r"unpack must be a function of \(batch\); calling it so fails"),
    ],
)
def test_functions_of_other_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        deepnrc.measure(small_network(), [regression_data()], **options)


def test_the_same_model_in_two_threads():
    model, batch = small_network(), regression_data(40)
    expected = repr(deepnrc.measure(model, [batch]).layers)
    entered, release = threading.Event(), threading.Event()

    def slow(model, x):
        entered.set()
        release.wait(10)
        return model(x)

    found = []
    thread = threading.Thread(
        target=lambda: found.append(deepnrc.measure(model, [batch], forward=slow))
    )
    thread.start()
    assert entered.wait(10)
    with pytest.raises(ArgumentError, match="model is being measured already, in another thread"):
        deepnrc.measure(model[0], [(batch[0], batch[1])])
    release.set()
    thread.join()
    assert repr(found[0].layers) == expected
    assert repr(deepnrc.measure(model, [batch]).layers) == expected  # free again


def test_a_measurement_inside_its_own_forward():
    model, batch = small_network(), regression_data(40)

    def nested(model, x):
        deepnrc.measure(model, [batch])
        return model(x)

    with pytest.raises(ArgumentError, match=r"or inside its own forward=: wait for that to end"):
        deepnrc.measure(model, [batch], forward=nested)
    assert deepnrc.measure(model, [batch]).samples == 40


def test_the_model_run_by_other_threads_meanwhile():
    """Calls in another thread, as of a server or a trainer, are none of the measurement's."""
    model, (x, y) = small_network(), regression_data(40)
    expected = deepnrc.measure(model, [(x, y)], progress=False)

    def forward(model, inputs):
        other = threading.Thread(target=model, args=(torch.randn(len(inputs), 8),))
        other.start()
        other.join()
        return model(inputs)

    got = deepnrc.measure(model, [(x, y)], forward=forward, progress=False)
    assert got.to_dict() == expected.to_dict()


def test_a_layer_that_is_not_called_in_every_batch_says_so():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded():
                self.always, self.large, self.out = (nn.Linear(8, n) for n in (8, 8, 2))

        def forward(self, x):
            h = self.always(x)
            return self.out(self.large(h) if len(x) > 10 else h)

    x, y = regression_data(40)
    batches = [(x[:30], y[:30]), (x[30:], y[30:])]
    got = deepnrc.measure(Sometimes(), batches, last_layer="centred", progress=False)
    note = "it was called in 1 of 2 batches, for 30 of 40 samples"
    assert got["large"].notes.count(note) == 1
    assert got["large"].rows == 30
    assert note not in (*got["always"].notes, *got["out"].notes)


@pytest.mark.parametrize("target", [0.5, torch.tensor(0.5)])
def test_single_samples_in_place_of_batches_are_told(target):
    message = f"an axis of samples; got a {type(target).__name__} without one: .* a DataLoader of"
    with pytest.raises(DataError, match=message):
        deepnrc.measure(nn.Linear(5, 1), [(torch.zeros(5), target)])


def test_rows_of_samples_that_the_batch_does_not_have():
    x, y = regression_data(40)
    with pytest.raises(LayerError, match="layer '0': reduce= must return numbers of samples from"):
        deepnrc.measure(
            small_network(),
            [(x, y)],
            reduce=lambda name, rows: (rows, torch.arange(40) - 1),
            progress=False,
        )
