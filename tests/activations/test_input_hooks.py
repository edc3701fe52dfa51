import pytest
import torch
from torch import nn

from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.layers import find_layers
from deepnrc.errors import LayerError
from helpers import fingerprint, seeded, small_network


def layers_of(model, *names):
    return find_layers(model, names)[0]


def test_each_call_is_handed_over_in_order_before_the_module_runs():
    model, seen = small_network(), []
    with InputHooks(layers_of(model, "0", "2"), lambda name, x: seen.append((name, x.clone()))):
        outputs = [model(torch.full((3, 8), float(i))) for i in range(2)]
    assert [name for name, _ in seen] == ["0", "2", "0", "2"]
    assert torch.equal(seen[2][1], torch.ones(3, 8))
    assert torch.equal(model[2](seen[3][1]), outputs[1])


def test_features_are_detached():
    model, seen = small_network(), []
    with InputHooks(layers_of(model, "2"), lambda name, x: seen.append(x.requires_grad)):
        model(torch.zeros(3, 8)).sum().backward()
    assert seen == [False]


def test_keyword_inputs_are_seen():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(input=x)

    model, seen = Keyword(), []
    with InputHooks(layers_of(model, "fc"), lambda name, x: seen.append(x.shape)):
        model(torch.zeros(3, 4))
    assert seen == [(3, 4)]


def test_a_users_own_pre_hook_is_respected():
    model, seen = small_network(), []
    handle = model[0].register_forward_pre_hook(lambda module, args: (args[0] + 5.0,))
    with InputHooks(layers_of(model, "0"), lambda name, x: seen.append(x.clone())):
        model(torch.zeros(3, 8))
    assert torch.equal(seen[0], torch.full((3, 8), 5.0))
    handle.remove()


def test_a_following_in_place_operation_does_not_reach_what_was_consumed():
    with seeded():
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 1))
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    sums = {}
    with InputHooks(layers_of(model, "0", "2"), lambda n, x: sums.update({n: float(x.min())})):
        model(x)
    assert sums["0"] == float(x.min()) < 0.0
    assert sums["2"] == 0.0


def test_only_its_own_hooks_go():
    model = small_network()
    model[0].register_forward_pre_hook(lambda module, args: None)
    model[2].register_forward_hook(lambda module, args, output: None)
    before = fingerprint(model)
    with InputHooks(layers_of(model, "0", "2"), lambda name, x: None):
        assert fingerprint(model)["hooks"] != before["hooks"]
    assert fingerprint(model) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_hooks_go_when_the_receiver_raises(error):
    def receive(name, x):
        raise error("stop")

    model = small_network()
    before = fingerprint(model)
    with pytest.raises(error, match="stop"), InputHooks(layers_of(model, "0"), receive):
        model(torch.zeros(3, 8))
    assert fingerprint(model) == before


def test_hooks_go_when_a_later_one_cannot_be_set():
    class Unhookable(nn.Linear):
        def register_forward_pre_hook(self, *args, **kwargs):
            raise RuntimeError("no hooks here")

    model = nn.Sequential(nn.Linear(4, 4), Unhookable(4, 2))
    before = fingerprint(model)
    with (
        pytest.raises(RuntimeError, match="no hooks here"),
        InputHooks(layers_of(model, "0", "1"), lambda name, x: None),
    ):
        pass
    assert fingerprint(model) == before


def test_a_call_without_a_tensor_is_named():
    class Strange(nn.Linear):
        def forward(self, x):
            return super().forward(torch.tensor(x))

    model = nn.Sequential(Strange(2, 1))
    message = "layer '0' must be called with a tensor; got none: leave it out with layers="
    with (
        pytest.raises(LayerError, match=message),
        InputHooks(layers_of(model, "0"), lambda name, x: None),
    ):
        model([[1.0, 2.0]])
