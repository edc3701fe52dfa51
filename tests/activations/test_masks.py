"""Masks as batches hold them: of any dtype and shape, added or multiplied, one or several."""

import pytest
import torch

from deepnrc.activations.masks import batch_masks
from deepnrc.errors import ArgumentError, DataError
from deepnrc.support.undefined import Undefined

KEPT = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1]])
RIGHT = KEPT == 1


def masks_of(value, mask="m", **options):
    return batch_masks(mask, {"m": value}, None, 4, **options)


@pytest.mark.parametrize(
    "value",
    [
        KEPT,
        KEPT.bool(),
        KEPT.double(),
        KEPT.to(torch.uint8),
        KEPT.numpy(),
        KEPT * 7,  # numbers of segments
        KEPT[:, None, None],
        KEPT[:, None].bool(),
        (1.0 - KEPT) * torch.finfo(torch.float32).min,
        (1.0 - KEPT[:, None, None]) * -1e4,
        torch.where(RIGHT, 0.0, float("-inf")),
        (KEPT - 1) * 10000,
    ],
)
def test_what_counts_is_true(value):
    mask = masks_of(value).of_layer("layer", (3,), {})
    assert torch.equal(mask, RIGHT)


def test_a_mask_that_is_added_and_leaves_nothing_out():
    assert bool(masks_of(torch.zeros(4, 3), each=True).of_layer("layer", (3,), {}).all())


def test_one_mask_for_all_samples():
    assert torch.equal(masks_of(KEPT[:1]).of_layer("layer", (3,), {}), RIGHT[:1].expand(4, -1))


def test_one_axis_of_a_grid_or_all_of_it_may_be_the_positions():
    mask = masks_of(KEPT)
    assert torch.equal(mask.of_layer("layer", (2, 3), {}), RIGHT.repeat(1, 2))
    assert torch.equal(mask.of_layer("layer", (3, 2), {}), RIGHT.repeat_interleave(2, 1))
    assert torch.equal(mask.of_layer("layer", (3, 1), {}), RIGHT)
    assert mask.of_layer("layer", (3, 3), {}) is None  # which of both is not known
    assert mask.of_layer("layer", (5,), {}) is None
    assert mask.of_layer("layer", (1,), {}) is None
    assert mask.of_layer("layer", (), {}) is None


BOTH = {"attention_mask": KEPT, "decoder_attention_mask": torch.ones(4, 5)}


def test_each_layer_takes_the_mask_of_its_positions():
    masks, known = batch_masks(None, BOTH, None, 4), {}
    assert torch.equal(masks.of_layer("encoder", (3,), known), RIGHT)
    assert bool(masks.of_layer("decoder", (5,), known).all())
    same = {"attention_mask": KEPT, "decoder_attention_mask": torch.ones(4, 3)}
    masks = batch_masks(None, same, None, 4)
    assert torch.equal(masks.of_layer("encoder", (3,), known), RIGHT)
    assert bool(masks.of_layer("decoder", (3,), known).all())
    found = masks.of_layer("other", (3,), known)
    assert found == Undefined(
        "'attention_mask' and 'decoder_attention_mask' both have its 3 positions: pass mask= a "
        "function of the batch that returns a mask by layer, such as {'encoder.*': …, "
        "'decoder.*': …}"
    )
    with pytest.raises(DataError, match=r"targets at each position: 'attention_mask' and 'deco"):
        masks.of_targets((3,))
    equal = {"attention_mask": KEPT, "decoder_attention_mask": KEPT}
    assert torch.equal(batch_masks(None, equal, None, 4).of_targets((3,)), RIGHT)


def test_masks_by_pattern_of_layer_names():
    masks = batch_masks(lambda batch: {"en*": batch, "*": 1 - batch}, KEPT, None, 4)
    assert torch.equal(masks.of_layer("encoder.fc", (3,), {}), RIGHT)
    assert torch.equal(masks.of_layer("decoder.fc", (3,), {}), ~RIGHT)
    assert masks.of_layer("encoder.fc", (5,), {}) == Undefined(
        "mask= has 3 positions for 'en*', its input 5"
    )
    masks.check(["encoder.fc"])
    with pytest.raises(ArgumentError) as caught:
        masks.check(["fc1", "fc2", "fc3", "fc4", "fc5", "fc6"])
    assert str(caught.value) == (
        "mask= gives a mask for 'en*', which matches no layer that is measured: there are 'fc1', "
        "'fc2', 'fc3', 'fc4', 'fc5', …"
    )


def test_which_keys_are_used():
    batch = {"attention_mask": KEPT, "pixel_mask": KEPT, "labels": KEPT}
    assert batch_masks(None, batch, None, 4).unused == ("pixel_mask",)
    assert batch_masks("pixel_mask", batch, None, 4).unused == ("attention_mask",)
    assert batch_masks(False, batch, None, 4).unused == ("attention_mask", "pixel_mask")
    assert batch_masks(lambda b: b["pixel_mask"], batch, None, 4).unused == ()
    assert not batch_masks(lambda b: None, batch, None, 4).found
    pairs = {"attention_mask": torch.ones(4, 1, 3, 3)}  # of pairs of positions
    masks = batch_masks(None, pairs, None, 4)
    assert not masks.found
    assert masks.unused == ("attention_mask",)
    assert not batch_masks(None, {"attention_mask": None}, None, 4).found


@pytest.mark.parametrize(
    ("mask", "value", "text"),
    [
        ("m", KEPT.T, "mask must give samples × positions, here 4 samples; got shape (3, 4) of 'm'"
         ": reduce it to these two axes with mask= a function of the batch"),
        ("m", torch.ones(4, 3, 3), "got shape (4, 3, 3) of 'm'"),
        ("m", torch.ones(4), "got shape (4,) of 'm'"),
        ("m", KEPT - 0.5, "mask must be true and false, 1 and 0, or added to scores (0 and a large "
         "negative number); got values from -0.5 to 0.5 of 'm'"),
        ("q", KEPT, "mask='q' is a key of neither the batch nor the inputs: pass a key that they"),
    ],
)  # fmt: skip
def test_masks_that_cannot_be_understood(mask, value, text):
    with pytest.raises(ArgumentError) as caught:
        masks_of(value, mask)
    assert text in str(caught.value)


def test_padding_masks_of_torch_are_not_taken_for_the_opposite():
    with pytest.raises(ArgumentError) as caught:
        batch_masks("src_key_padding_mask", {"src_key_padding_mask": ~RIGHT}, None, 4)
    assert str(caught.value) == (
        "mask='src_key_padding_mask' is true for padding, as torch has it: pass mask=lambda batch: "
        "~batch['src_key_padding_mask'], which is true for what counts"
    )


def test_a_sample_of_padding_alone():
    empty = KEPT.clone()
    empty[2] = 0
    with pytest.raises(DataError) as caught:
        masks_of(empty, each=True)
    assert str(caught.value) == (
        "mask 'm' leaves no position of sample 2 of the batch: drop such samples, or check that it "
        "is true for what counts"
    )
    assert not masks_of(empty).of_layer("layer", (3,), {})[2].any()
