"""The first samples of batches of every kind."""

from collections import UserDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from deepnrc.activations.evidence.samples import first_samples, same_sizes


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
    got = first_samples(nest, 2, 4)
    for tensor in (
        got["a"],
        got["b"][0],
        got["b"][1][0],
        got["c"].x,
        got["d"].image,
        got["e"]["k"],
    ):
        assert torch.equal(tensor, x[:2])
    assert (type(got["c"]), type(got["d"]), type(got["e"])) == (Pair, Scene, UserDict)
    assert got["b"][1][1] == "text"


def test_a_batch_of_one_is_doubled():
    assert first_samples(torch.ones(1, 3), 2, 1).shape == (2, 3)


@pytest.mark.parametrize(("axis", "shape"), [(None, (2, 4)), (1, (4, 2))])
def test_the_axis_may_be_said(axis, shape):
    assert first_samples(torch.ones(4, 4), 2, 4, batch_dim=axis).shape == shape


def test_the_axis_of_the_right_size_is_taken():
    assert first_samples(torch.ones(7, 4, 3), 2, 4).shape == (7, 2, 3)


def test_what_is_no_batch_stays():
    grid = torch.ones(5, 5)
    assert torch.equal(first_samples(grid, 2, 4), grid)
    assert same_sizes(first_samples(grid, 2, 4), grid)
    assert first_samples(["a", "b", "c", "d"], 2, 4) == ["a", "b"]
    assert first_samples(torch.tensor(3.0), 2, 4) == 3.0


def test_packed_sequences():
    packed = pack_sequence([torch.ones(n, 2) * n for n in (2, 5, 3)], enforce_sorted=False)
    got, lengths = pad_packed_sequence(first_samples(packed, 2, 3), batch_first=True)
    assert lengths.tolist() == [2, 5]
    assert got[1].tolist() == [[5.0, 5.0]] * 5


def test_nothing_of_the_batch_is_changed_through_it():
    x = torch.zeros(4, 2)
    first_samples(x, 2, 4).add_(1)
    first_samples([x, torch.zeros(3)], 4, 4)[0].add_(1)
    assert not x.any()
