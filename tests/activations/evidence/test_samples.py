"""Parts of batches of every kind."""

from collections import UserDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from deepnrc.activations.evidence.samples import (
    part_start,
    reordered,
    samples_from,
    shuffled,
)


class Pair(NamedTuple):
    x: torch.Tensor
    n: int


@dataclass(frozen=True)
class Scene:
    image: torch.Tensor
    name: str


def test_every_nest_keeps_its_type():
    x = torch.arange(24.0).reshape(4, 6)
    nest = {"a": x, "b": [x, (x, "text")], "c": Pair(x, 3), "d": Scene(x, "n"), "e": UserDict(k=x)}
    got = samples_from(nest, 2, 4)
    for tensor in (
        got["a"],
        got["b"][0],
        got["b"][1][0],
        got["c"].x,
        got["d"].image,
        got["e"]["k"],
    ):
        assert torch.equal(tensor, x[2:])
    assert (type(got["c"]), type(got["d"]), type(got["e"])) == (Pair, Scene, UserDict)
    assert got["b"][1][1] == "text"


def test_a_batch_of_one_is_doubled():
    assert samples_from(torch.ones(1, 3), 1, 1).shape == (2, 3)


@pytest.mark.parametrize(("axis", "shape"), [(None, (2, 4)), (1, (4, 2))])
def test_the_axis_may_be_said(axis, shape):
    assert samples_from(torch.ones(4, 4), 2, 4, batch_dim=axis).shape == shape


def test_the_axis_of_the_right_size_is_taken():
    assert samples_from(torch.ones(7, 4, 3), 2, 4).shape == (7, 2, 3)


def test_what_is_no_batch_stays():
    grid = torch.ones(5, 5)
    assert torch.equal(samples_from(grid, 2, 4), grid)
    assert reordered(grid, [2, 3], 4)[1] is False
    assert samples_from(["a", "b", "c", "d"], 2, 4) == ["c", "d"]
    assert samples_from(torch.tensor(3.0), 2, 4) == 3.0


def test_packed_sequences():
    packed = pack_sequence([torch.ones(n, 2) * n for n in (2, 5, 3)], enforce_sorted=False)
    got, lengths = pad_packed_sequence(samples_from(packed, 1, 3), batch_first=True)
    assert lengths.tolist() == [5, 3]
    assert got[0].tolist() == [[5.0, 5.0]] * 5


def test_nothing_of_the_batch_is_changed_through_it():
    x = torch.zeros(4, 2)
    samples_from(x, 2, 4).add_(1)
    samples_from([x, torch.zeros(3)], 0, 4)[0].add_(1)
    assert not x.any()


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 7, 16, 64, 1000])
def test_the_part_starts_where_no_small_block_does(samples):
    start = part_start(samples)
    assert start % 6 == 1
    assert samples == 1 or start < samples
    assert samples < 14 or samples / 2 - 7 < start <= samples / 2


def test_another_order_of_every_nest():
    x, names = torch.arange(3.0), ["a", "b", "c"]
    got, found = reordered({"x": x, "names": names, "grid": torch.ones(2, 2)}, [2, 0, 1], 3)
    assert found
    assert got["x"].tolist() == [2, 0, 1]
    assert got["names"] == ["c", "a", "b"]
    assert got["grid"].shape == (2, 2)


@pytest.mark.parametrize("samples", [2, 3, 4, 8, 64])
def test_the_other_order_is_another_one(samples):
    order = shuffled(samples)
    assert sorted(order) == list(range(samples))
    assert order != list(range(samples))
    assert shuffled(samples) == order
