"""Adapters around a layer: what counts is the layer with its adapter, as merging would give it."""

import peft
import pytest
import torch
from torch import nn

from deepnrc import measure, plan


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.out = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.out(self.body(x).relu())


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.out = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.body(x).relu().mean((2, 3)))


CONFIGS = {
    "lora": lambda: peft.LoraConfig(r=4, target_modules=["body"], init_lora_weights=False),
    "rslora": lambda: peft.LoraConfig(
        r=4, target_modules=["body"], init_lora_weights=False, use_rslora=True, lora_alpha=3
    ),
    "dora": lambda: peft.LoraConfig(
        r=4, target_modules=["body"], init_lora_weights=False, use_dora=True
    ),
    "loha": lambda: peft.LoHaConfig(r=2, target_modules=["body"], init_weights=False),
    "ia3": lambda: peft.IA3Config(
        target_modules=["body"], feedforward_modules=[], init_ia3_weights=False
    ),
}
BODY, OUT = "base_model.model.body.base_layer", "base_model.model.out"


def adapted(kind, model=Net):
    torch.manual_seed(0)
    return peft.get_peft_model(model(), CONFIGS[kind]()).eval()


def data(*shape):
    torch.manual_seed(1)
    x = torch.randn(60, *shape) * torch.arange(1, shape[-1] + 1)
    return [(x, x.flatten(1)[:, :2])]


def check(wrapped, merged, batches):
    """All values of the wrapped layer are those of the merged one."""
    for name, other in ((BODY, "body"), (OUT, "out")):
        found, expected = wrapped[name], merged[other]
        assert found.role == expected.role
        assert found.values == pytest.approx(expected.values, rel=1e-4, abs=1e-5, nan_ok=True)
    assert batches


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_linear_layer_with_its_adapter_is_the_merged_layer(kind):
    model, batches = adapted(kind), data(8)
    wrapped = measure(model, batches)
    assert wrapped.names == (BODY, OUT)
    assert wrapped[BODY].notes[0].startswith("its weight is what the layer applies, found by")
    check(wrapped, measure(model.merge_and_unload(), batches), batches)


def test_a_convolution_with_its_adapter():
    model, batches = adapted("lora", Image), data(3, 9, 9)
    wrapped = measure(model, batches)
    check(wrapped, measure(model.merge_and_unload(), batches), batches)


def test_an_adapter_that_is_off_or_merged_leaves_the_stored_weight():
    model, batches = adapted("lora"), data(8)
    with model.disable_adapter():
        off = measure(model, batches)
    base = measure(model.unload(), batches)
    assert off[BODY].values == pytest.approx(base["body"].values, rel=1e-6, nan_ok=True)
    assert off[BODY].notes == ()
    model = adapted("lora")
    expected = measure(model, batches)[BODY].values
    model.merge_adapter()
    merged = measure(model, batches)[BODY]
    assert merged.values == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_two_adapters_and_their_names_for_selection():
    model, batches = adapted("lora"), data(8)
    model.add_adapter("second", CONFIGS["lora"]())
    first = measure(model, batches)[BODY].feature_weight_alignment
    model.set_adapter("second")
    assert measure(model, batches)[BODY].feature_weight_alignment != pytest.approx(first)
    for name in (BODY, "base_model.model.body"):
        assert measure(model, batches, layers=name).names == (BODY,)
    assert [x.role for x in plan(model, batches[0]).layers] == ["path", "last"]


def test_a_module_that_only_holds_a_layer_of_that_name():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.base_layer, self.rest = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.rest(self.base_layer(x).relu())

    model = nn.Sequential(Block(), nn.Linear(8, 2))
    assert measure(model, data(8)).names == ("0.base_layer", "0.rest", "1")
