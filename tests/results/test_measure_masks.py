"""Padding is not data: the same sentences padded otherwise give the same values."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import deepnrc
from deepnrc.errors import ArgumentError, DataError
from helpers import seeded

N = 24


def sentences(seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 8, (N,), generator=generator).tolist()
    return [torch.randn(n, 8, generator=generator, dtype=torch.float64) for n in lengths]


def padded(given, width, *, left=False, value=1e3):
    """Sentences and their mask; padding holds what would be seen."""
    x = [
        functional.pad(s, (0, 0, *((width - len(s), 0) if left else (0, width - len(s)))),
                       value=value) for s in given
    ]  # fmt: skip
    return torch.stack(x), torch.stack(x)[..., 0] != value


class Reader(nn.Module):
    """Its block is called twice; positions see one another only through the masked mean."""

    def __init__(self):
        super().__init__()
        with seeded():
            self.token, self.block, self.out = nn.Linear(8, 9), nn.Linear(9, 9), nn.Linear(9, 2)
        self.double()

    def forward(self, x, attention_mask):
        h = self.token(x)
        for _ in range(2):
            h = self.block(torch.tanh(h))
        h = torch.where(attention_mask[..., None], h, 0.0)
        return self.out(h.sum(1) / attention_mask.sum(1, keepdim=True))


def assert_same(one, other):
    assert [layer.name for layer in one] == [layer.name for layer in other]
    for a, b in zip(one, other, strict=True):
        assert a.values == pytest.approx(b.values, rel=1e-12, abs=1e-15, nan_ok=True), a.name


@pytest.mark.parametrize("calls", ["pooled", "separate"])
@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 1, -2])
@pytest.mark.parametrize("left", [False, True])
def test_padding_left_or_right_and_of_any_width(rule, left, calls):
    y = torch.randn(N, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def measured(width, left):
        x, mask = padded(sentences(0), width, left=left)
        batch = ({"x": x, "attention_mask": mask}, y)
        return deepnrc.measure(Reader(), [batch], reduce=rule, calls=calls, progress=False)

    got, expected = measured(64, left), measured(8, left=False)
    names = ["token", "block", "out"] if calls == "pooled" else ["token", "block#1", "block#2",
                                                                 "out"]  # fmt: skip
    assert list(got.names) == names
    assert_same(got, expected)


class Translator(nn.Module):
    """An encoder and a decoder with positions of their own."""

    def __init__(self):
        super().__init__()
        with seeded():
            self.encoder = nn.Sequential(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 9))
            self.decoder = nn.Sequential(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 9))
            self.out = nn.Linear(18, 2)
        self.double()

    def forward(self, x, z, attention_mask, decoder_attention_mask):
        parts = [
            torch.where(mask[..., None], part(x), 0.0).sum(1) / mask.sum(1, keepdim=True)
            for part, x, mask in (
                (self.encoder, x, attention_mask),
                (self.decoder, z, decoder_attention_mask),
            )
        ]
        return self.out(torch.cat(parts, 1))


def translated(widths, **options):
    (x, first), (z, second) = (padded(sentences(i), width) for i, width in enumerate(widths))
    y = torch.randn(N, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs = {"x": x, "z": z, "attention_mask": first, "decoder_attention_mask": second}
    return deepnrc.measure(Translator(), [(inputs, y)], progress=False, **options)


def by_layer(batch):
    inputs = batch[0]
    return {"enc*": inputs["attention_mask"], "dec*": inputs["decoder_attention_mask"]}


@pytest.mark.parametrize("rule", ["mean", "last"])
def test_encoder_and_decoder_take_their_own_masks(rule):
    expected = translated((8, 9), reduce=rule)
    assert_same(translated((20, 64), reduce=rule), expected)
    assert_same(translated((64, 64), reduce=rule, mask=by_layer), expected)
    assert expected.notes == ()


def test_a_pattern_that_matches_no_layer_is_refused():
    with pytest.raises(ArgumentError, match=r"mask= gives a mask for 'encodr\*', which matches no"):
        translated((8, 9), mask=lambda batch: {"encodr*": batch[0]["attention_mask"]})


def test_two_masks_of_one_width_are_not_mixed_up():
    got = translated((20, 20))
    assert {layer.name: layer.role for layer in got} == {
        **dict.fromkeys(("encoder.0", "encoder.2", "decoder.0", "decoder.2"), "unpaired"),
        "out": "path",
    }
    assert "'attention_mask' and 'decoder_attention_mask' both have its 20 positions" in str(got)


def test_a_mask_that_fits_no_layer_is_said():
    """Here the convolution halves the positions, of which the mask knows nothing."""

    class Strided(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded():
                self.conv, self.token = nn.Conv1d(8, 9, 2, 2), nn.Linear(9, 9)
                self.out = nn.Linear(9, 2)

        def forward(self, x, attention_mask):
            h = self.token(self.conv(x.transpose(1, 2)).transpose(1, 2))
            return self.out(h.mean(1))

    x, mask = torch.randn(N, 8, 8), torch.ones(N, 8)
    mask[:, 6:] = 0
    batch = ({"x": x, "attention_mask": mask}, torch.randn(N, 2))
    got = deepnrc.measure(Strided(), [batch], progress=False)
    assert got["token"].notes[0] == "no mask has its 4 positions: all of them count"
    assert "no mask" not in str(got["conv"].notes)
    assert "token: no mask has its 4 positions" in str(got)
    assert "no mask has its 4" in str(deepnrc.plan(Strided(), batch))


def test_a_sample_without_a_position_is_refused():
    x, mask = padded(sentences(0), 8)
    mask[5] = False
    batch = ({"x": x, "attention_mask": mask}, torch.randn(N, 2))
    with pytest.raises(DataError, match="mask 'attention_mask' leaves no position of sample 5"):
        deepnrc.measure(Reader(), [batch], progress=False)
