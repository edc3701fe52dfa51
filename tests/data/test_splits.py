import dataclasses

import pytest
import torch

from data.access.test_images import Images
from deepnrc.data.splits import Part, split_rows
from deepnrc.errors import ArgumentError


@pytest.fixture
def part():
    return Part(torch.arange(10.0)[:, None], torch.arange(10.0)[:, None] * 2)


def test_parts_are_a_partition_and_the_test_part_is_drawn():
    train, test = split_rows(50, test_fraction=0.2, split_seed=42)
    assert (len(train), len(test)) == (40, 10)
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(50))
    assert not torch.equal(test.sort().values, torch.arange(10))


def test_seed_fixes_the_split():
    first, again, other = (
        split_rows(50, test_fraction=0.2, split_seed=seed)[1] for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_split_of_older_versions():
    # Runs and figures of older versions were made with these rows; a change would be silent.
    train, test = split_rows(10, test_fraction=0.3, split_seed=42)
    assert test.tolist() == [2, 6, 1]
    assert train.tolist() == [8, 4, 5, 0, 9, 3, 7]


@pytest.mark.parametrize("test_fraction", [0.0, 1.0, -0.5, 0.001, 0.999, float("nan")])
def test_bad_test_fraction(test_fraction):
    message = rf"test_fraction must be .* both parts of 50; got {test_fraction}: choose"
    with pytest.raises(ArgumentError, match=message):
        split_rows(50, test_fraction=test_fraction, split_seed=0)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(rows):
    with pytest.raises(ArgumentError, match=rf"both parts of {rows}; got 0.5: .* or pass more"):
        split_rows(rows, test_fraction=0.5, split_seed=0)


def test_batches_in_order(part):
    loader = part.loader(4)
    assert len(loader) == 3
    assert [x.flatten().tolist() for x, _ in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(torch.equal(y, 2 * x) for x, y in loader)


@pytest.mark.parametrize("images", [False, True])
def test_shuffled_rows_stay_together_and_every_pass_is_the_same(part, images):
    if images:
        part = Part(Images(), part.targets)
    loader = part.loader(4, shuffle=True, seed=3)
    passes = [[(x.clone(), y) for x, y in loader] for _ in range(2)]
    for one, other in zip(*passes, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], 2 * one[0].flatten(1)[:, :1])
    rows = [int(row) for _, y in passes[0] for row in y / 2]
    assert sorted(rows) == list(range(10))
    assert rows != list(range(10))
    other = [int(row) for _, y in part.loader(4, shuffle=True, seed=4) for row in y / 2]
    assert other != rows


def test_images_are_read_ahead(part):
    images = Images()
    batches = iter(Part(images, part.targets).loader(2))
    next(batches)
    next(batches)
    assert images.read[:2] == [[0, 1], [2, 3]]
    assert len(images.read) <= 3


def test_the_global_generator_is_not_touched(part):
    before = torch.get_rng_state()
    list(part.loader(4, shuffle=True))
    split_rows(50, test_fraction=0.2, split_seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_batch_size(part):
    with pytest.raises(ArgumentError, match="batch_size must be at least 1; got 0"):
        part.loader(0)


def test_parts_are_frozen(part):
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.inputs = part.targets
