"""A real GPT-2, built from its config with random weights: Conv1D, dict batches, ModelOutput."""

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.activations.layers import find_layers
from helpers import activations, assert_moments, layer_of, quiet, regression_data, seeded

transformers = pytest.importorskip("transformers")
BLOCK = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


@pytest.fixture(scope="module")
def gpt2():
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=30, n_positions=16, num_labels=3, pad_token_id=0
    )
    with seeded():
        return transformers.GPT2ForSequenceClassification(config)


@pytest.fixture(scope="module")
def batches():
    """Right-padded token batches as a tokenizer's collator gives them."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for n in (12, 12, 7):
        tokens = torch.randint(1, 30, (n, 10), generator=generator)
        mask = torch.arange(10)[None] < torch.randint(3, 11, (n, 1), generator=generator)
        targets = torch.randn(n, 3, generator=generator)
        found.append({"input_ids": tokens * mask, "attention_mask": mask.long(), "labels": targets})
    return found


def unpack(batch):
    return {key: batch[key] for key in ("input_ids", "attention_mask")}, batch["labels"]


def forward(model, inputs):
    return model(**inputs).logits


def test_conv1d_is_a_linear_layer_stored_in_by_out(gpt2):
    layers, skipped = find_layers(gpt2)
    blocks = [f"transformer.h.{i}.{part}" for i in range(2) for part in BLOCK]
    assert [layer.name for layer in layers] == [*blocks, "score"]
    fc = next(layer for layer in layers if layer.name == "transformer.h.0.mlp.c_fc")
    assert (fc.kind, fc.feature_dim) == ("linear_in_out", 8)
    assert torch.equal(fc.weight_matrix(), fc.module.weight.detach().double().T)
    assert fc.weight_matrix().shape == (32, 8)
    assert {x.name: x.reason for x in skipped} == dict.fromkeys(
        ("transformer.wte", "transformer.wpe"), "Embedding: looks up rows, takes no features"
    )


@pytest.mark.parametrize("rule", ["mean", "last", "first"])
def test_every_block_is_measured(gpt2, batches, rule):
    collected = quiet(gpt2, batches, unpack=unpack, forward=forward, reduce=rule, mask=False)
    pick = {"mean": lambda x: x.mean(1), "last": lambda x: x[:, -1], "first": lambda x: x[:, 0]}
    targets = torch.cat([batch["labels"] for batch in batches])
    for name in ("transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj", "score"):
        seen = [activations(gpt2, name, unpack(b)[0], forward=forward)[0] for b in batches]
        features = torch.cat([pick[rule](x) for x in seen])
        assert_moments(layer_of(collected, name), features, targets, rtol=1e-5)
        assert layer_of(collected, name).calls == 3
    gpt2.eval()
    with torch.no_grad():
        outputs = torch.cat([forward(gpt2, unpack(batch)[0]) for batch in batches])
    expected = (outputs - targets).square().sum().item()
    assert collected.squared_error == pytest.approx(expected, rel=1e-5)


def test_a_function_can_leave_padding_out(gpt2, batches):
    """The mask is not in the activation: a closure over the batch brings it."""
    current = {}

    def unpack_and_keep(batch):
        current["mask"] = batch["attention_mask"]
        return unpack(batch)

    def unpadded_mean(name, activation):
        weight = current["mask"][..., None].to(activation.dtype)
        return (activation * weight).sum(1) / weight.sum(1)

    name = "transformer.h.1.mlp.c_fc"
    collected = quiet(
        gpt2, batches, unpack=unpack_and_keep, forward=forward, reduce=unpadded_mean, layers=name
    )
    rows = []
    for batch in batches:
        (x,) = activations(gpt2, name, unpack(batch)[0], forward=forward)
        rows += [x[i, : int(m.sum())].mean(0) for i, m in enumerate(batch["attention_mask"])]
    targets = torch.cat([batch["labels"] for batch in batches])
    assert_moments(collected.layers[0], torch.stack(rows), targets, rtol=1e-5)


def test_logits_are_the_predictions(gpt2, batches):
    got = deepnrc.measure(gpt2, batches, unpack=unpack, layers="score", reduce="last")
    expected = deepnrc.measure(gpt2, batches, unpack=unpack, forward=forward, layers="score")
    assert got.model_mse == expected.model_mse
    assert got["score"].rows == 31


def test_a_tokenizers_own_batch_type_is_a_mapping(gpt2, batches):
    encoding = transformers.BatchEncoding(unpack(batches[0])[0])
    got = deepnrc.measure(
        gpt2,
        [(encoding, batches[0]["labels"])],
        forward=lambda model, inputs: model(**inputs).logits,
        layers="score",
    )
    assert got.samples == 12


def test_layers_by_type_and_glob(gpt2):
    conv1d = transformers.pytorch_utils.Conv1D
    assert len(find_layers(gpt2, conv1d)[0]) == 8
    assert len(find_layers(gpt2, "transformer.h.1.*")[0]) == 4
    assert [layer.name for layer in find_layers(gpt2, nn.Linear)[0]] == ["score"]


def test_bfloat16_and_a_wrapper_with_several_inputs(gpt2):
    class Policy(nn.Module):
        """Tokens and a state vector in, an action out."""

        def __init__(self, backbone):
            super().__init__()
            self.backbone = backbone
            self.action = nn.Linear(8 + 4, 2)

        def forward(self, tokens, state):
            pooled = self.backbone(tokens).last_hidden_state.mean(1)
            return self.action(torch.cat([pooled, state], 1))

    with seeded():
        policy = Policy(gpt2.transformer).to(torch.bfloat16)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 30, (20, 6), generator=generator)
    state, targets = regression_data(20, d=4)
    got = deepnrc.measure(policy, [((tokens, state.bfloat16()), targets)])
    assert got["action"].width == 12
    assert got["action"].rows == 20
    assert got.undefined == {}
    gpt2.float()
