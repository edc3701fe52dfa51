"""One step of a recurrent network: its input and the state before it."""

import numpy as np
import pytest
import torch
from torch import nn

import deepnrc
from activations.kinds.entering import entering
from deepnrc.errors import LayerError
from helpers import seeded

CELLS = [nn.LSTMCell, nn.GRUCell, nn.RNNCell]


class Unrolled(nn.Module):
    def __init__(self, cls, **options):
        super().__init__()
        with seeded():
            self.cell, self.head = cls(4, 5, **options), nn.Linear(5, 2)

    def forward(self, x):
        state, self.states = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state) if state is not None else self.cell(x[:, t])
            self.states.append(state[0] if isinstance(state, tuple) else state)
        return self.head(self.states[-1])


@pytest.mark.parametrize("cls", CELLS)
@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_each_step_gives_its_input_and_the_state_before_it(cls, options):
    model = Unrolled(cls, **options).double()
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    seen, layers = entering(model, x)
    with torch.no_grad():
        model(x)
    before = [torch.zeros(6, 5, dtype=torch.float64), *model.states[:-1]]
    for t in range(3):
        assert torch.equal(seen["cell.weight_ih"][t], x[:, t])
        assert torch.equal(seen["cell.weight_hh"][t], before[t])
    for name in ("weight_ih", "weight_hh"):
        layer = layers[f"cell.{name}"]
        assert torch.equal(layer.weight_matrix(), getattr(model.cell, name).detach())
        bias = getattr(model.cell, name.replace("weight", "bias"))
        assert layer.bias is None if bias is None else torch.equal(layer.bias, bias.detach())


def test_a_step_without_an_axis_of_samples():
    cell = nn.LSTMCell(4, 5)
    seen, _ = entering(cell, torch.ones(4))
    assert seen["weight_hh"][0].tolist() == [0.0] * 5


def test_pooled_and_separate_calls():
    model = Unrolled(nn.GRUCell).double()
    x = torch.randn(30, 3, 4, dtype=torch.float64)
    pooled = deepnrc.measure(model, [(x, x[:, 0, :2])], progress=False)
    assert {layer.name: layer.rows for layer in pooled} == {
        "cell.weight_ih": 90,
        "cell.weight_hh": 90,
        "head": 30,
    }
    separate = deepnrc.measure(model, [(x, x[:, 0, :2])], progress=False, calls="separate")
    assert [x.name for x in separate if x.name.startswith("cell")] == [
        f"cell.weight_{w}#{t}" for t in (1, 2, 3) for w in ("ih", "hh")
    ]
    first = separate["cell.weight_hh#1"]  # the state before the first step is 0 for every sample
    assert np.isnan(first.noise_component)


def test_a_call_without_a_tensor_is_named():
    class Strange(nn.GRUCell):
        def forward(self, x):
            return super().forward(torch.tensor(x))

    message = r"layer 'weight_ih' must be called with a tensor; got none: leave it out with layers="
    with pytest.raises(LayerError, match=message):
        entering(Strange(2, 3), [[1.0, 2.0]])
