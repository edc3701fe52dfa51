"""Attention: what enters its projections, against loops over samples, heads and queries."""

import numpy as np
import pytest
import torch
from torch import nn

import deepnrc
from activations.kinds.entering import entering
from deepnrc.support.undefined import Undefined
from helpers import fingerprint, seeded
from reference.attention import heads, projections

RTOL = 1e-12  # float64 throughout; sums in another order

KINDS = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"kdim": 5, "vdim": 7, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"dropout": 0.5, "batch_first": True},
]


def made(options):
    with seeded():
        module = nn.MultiheadAttention(6, 3, **options).double()
        for parameter in module.parameters():  # biases begin at 0
            nn.init.normal_(parameter, std=0.5)
    return module


def masks(kind, samples, queries, keys):
    """(keyword arguments, queries × keys that are allowed, by sample)."""
    allowed = np.ones((samples, queries, keys), dtype=bool)
    if kind == "padding":
        kept = np.arange(keys) < 1 + np.arange(samples)[:, None] % keys
        return {"key_padding_mask": torch.tensor(~kept)}, allowed & kept[:, None]
    if kind == "causal":
        causal = np.tril(np.ones((queries, keys), dtype=bool))
        given = {"attn_mask": torch.tensor(~causal), "is_causal": True, "need_weights": False}
        return given, allowed & causal
    if kind == "float":
        banned = torch.zeros(queries, keys, dtype=torch.float64)
        banned[:, 1] = -torch.inf
        return {"attn_mask": banned, "average_attn_weights": False}, allowed & (
            np.arange(keys) != 1
        )
    return {}, allowed


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("mask", ["none", "padding", "causal", "float"])
@pytest.mark.parametrize(("samples", "queries", "keys"), [(4, 5, 3), (1, 3, 3), (3, 3, 3)])
def test_rows_are_those_of_loops(options, mask, samples, queries, keys):
    module = made(options)
    sizes = (queries, 6), (keys, module.kdim), (keys, module.vdim)
    given = [torch.randn(samples, *size, dtype=torch.float64) for size in sizes]
    more, allowed = masks(mask, samples, queries, keys)
    if module.bias_k is not None:  # torch's hint would hide the keys that it adds
        more.pop("is_causal", None)
    called = given if module.batch_first else [x.transpose(0, 1) for x in given]
    seen, layers = entering(module, *called, **more)
    packed = "in_proj_" if module.in_proj_weight is not None else ""
    end = "" if packed else "_proj_weight"
    names = [f"{packed}{letter}{end}" for letter in "qkv"]
    assert [*layers] == [*names, "out_proj"]
    twin = [heads(module, *(x[i].numpy() for x in given), allowed[i]) for i in range(samples)]
    expected = [*(x.numpy() for x in given), np.stack(twin)]
    for name, rows in zip(layers, expected, strict=True):
        (got,) = seen[name]
        got = got if module.batch_first else got.transpose(0, 1)
        np.testing.assert_allclose(got.numpy(), rows, rtol=RTOL, atol=RTOL)
    for name, weight, bias in zip(names, *projections(module), strict=True):
        np.testing.assert_array_equal(layers[name].weight_matrix().numpy(), weight)
        added = layers[name].bias
        np.testing.assert_array_equal(0.0 if added is None else added.numpy(), bias)
    out = layers["out_proj"]
    assert torch.equal(out.weight_matrix(), module.out_proj.weight.detach())
    assert [layer.kind for layer in layers.values()] == ["attention_input"] * 3 + [
        "attention_output"
    ]


def test_attention_without_an_axis_of_samples():
    module = made({"batch_first": True})
    x = torch.randn(4, 6, dtype=torch.float64)
    seen, _ = entering(module, x, x, x, need_weights=False)
    np.testing.assert_allclose(seen["out_proj"][0], heads(module, x, x, x), rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_agree_with_themselves(dtype):
    x = torch.randn(8, 20, 6, dtype=dtype)
    seen, _ = entering(made({"batch_first": True}).to(dtype), x, x, x)
    assert not any(isinstance(x, Undefined) for calls in seen.values() for x in calls)


class Scaled(nn.MultiheadAttention):
    def forward(self, *args, **kwargs):
        return 2 * super().forward(*args, **kwargs)[0], None


class Alone(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x)[0]


def test_where_the_module_does_something_else_its_rows_are_undefined():
    x = torch.randn(5, 4, 6)
    for module, inputs, reason in (
        (Scaled(6, 2), (x, x, x), "its output is not that of its weights"),
        (Alone(6, 2), (x,), "its attention cannot be followed (TypeError: missing a required"),
    ):
        seen, _ = entering(module, *inputs)
        assert [*seen] == ["in_proj_q", "in_proj_k", "in_proj_v", "out_proj"]
        for calls in seen.values():
            assert calls[0].reason.startswith(reason)


class Reader(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        with seeded():
            layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=batch_first)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(6, 2)

    def forward(self, x):
        if self.encoder.layers[0].self_attn.batch_first:
            return self.head(self.encoder(x).mean(1))
        return self.head(self.encoder(x.transpose(0, 1)).mean(0))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("rule", ["mean", "samples"])
def test_time_major_encoders_give_what_batch_first_ones_give(rule):
    x = torch.randn(24, 12, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    batches = [(x[i : i + 12], x[i : i + 12, :2, 0]) for i in (0, 12)]
    one, other = (
        deepnrc.measure(Reader(first).double(), batches, reduce=rule, progress=False)
        for first in (True, False)
    )
    inner = ("self_attn.in_proj_q", "self_attn.in_proj_k", "self_attn.in_proj_v")
    inner += ("self_attn.out_proj", "linear1", "linear2")
    assert one.names == (*(f"encoder.layers.{i}.{x}" for i in (0, 1) for x in inner), "head")
    assert one.skipped == ()
    assert {layer.role for layer in one} == {"path"}
    for a, b in zip(one, other, strict=True):
        assert a.values == pytest.approx(b.values, rel=1e-9, abs=1e-12)


def test_no_hook_and_no_switch_is_left_behind():
    model = Reader(True).double()
    before, fused = fingerprint(model), torch.backends.mha.get_fastpath_enabled()
    x = torch.randn(12, 3, 6, dtype=torch.float64)
    deepnrc.measure(model, [(x, x[:, 0, :2])], progress=False)
    assert fingerprint(model) == before
    assert torch.backends.mha.get_fastpath_enabled() == fused
