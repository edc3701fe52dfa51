import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

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


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=60),
    st.floats(0.05, 0.95),
    st.integers(0, 2**31),
)
def test_copies_are_on_one_side(numbers, fraction, seed):
    copies = torch.tensor(numbers)
    distinct = sorted(set(numbers))
    n_test = round(len(numbers) * fraction)
    if not 0 < n_test < len(numbers) or len(distinct) < 2:
        return
    try:
        train, test = split_rows(
            len(copies), test_fraction=fraction, split_seed=seed, copies=copies
        )
    except ArgumentError:  # the last group that was drawn was all that was left
        assert n_test + max(numbers.count(number) for number in distinct) > len(numbers)
        return
    assert sorted(torch.cat([train, test]).tolist()) == list(range(len(copies)))
    assert not set(copies[train].tolist()) & set(copies[test].tolist())
    # Rounded up to whole groups, by less than the last group that was drawn.
    wanted = round(len(copies) * fraction)
    assert wanted <= len(test) < wanted + int(copies.bincount().max())


def test_different_rows_are_split_as_without_a_look_at_copies():
    for seed in range(5):
        plain = split_rows(40, test_fraction=0.3, split_seed=seed)
        looked = split_rows(40, test_fraction=0.3, split_seed=seed, copies=torch.arange(40))
        assert [part.tolist() for part in plain] == [part.tolist() for part in looked]


def test_copies_of_one_row_cannot_be_split():
    message = (
        "leave rows for both parts; got 0.5 of 6 rows, of which only 1 are no copies of others"
    )
    with pytest.raises(ArgumentError, match=message):
        split_rows(6, test_fraction=0.5, split_seed=0, copies=torch.zeros(6, dtype=torch.int64))


@pytest.mark.parametrize("images", [False, True])
def test_a_part_is_a_data_set_of_torch(part, images):
    if images:
        part = Part(Images(), part.targets)
    assert len(part) == 10
    x, y = part[3]
    assert y.tolist() == [6.0]
    assert x.shape == part.inputs.shape[1:]
    assert float(x.flatten()[0]) == 3
    assert part[-1][1].tolist() == [18.0]
    if images:  # which readers of images do not count from the end
        assert part.inputs.read[-1] == [9]
    assert part[torch.tensor(2)][1].tolist() == [4.0]
    assert [float(y) for _, y in part] == [2.0 * i for i in range(10)]
    for row in (10, -11):
        with pytest.raises(
            IndexError, match=f"row must be from 0 to 9, as there are 10; got {row}"
        ):
            part[row]


@pytest.mark.parametrize("images", [False, True])
def test_a_data_loader_gives_pairs_of_inputs_and_targets(part, images):
    if images:
        part = Part(Images(), part.targets)
    batches = list(DataLoader(part, batch_size=4))
    assert [tuple(x.shape) for x, _ in batches] == [(n, *part.inputs.shape[1:]) for n in (4, 4, 2)]
    assert torch.equal(torch.cat([y for _, y in batches]), part.targets)
    assert torch.equal(torch.cat([x for x, _ in batches]).flatten(1)[:, :1] * 2, part.targets)
    if images:  # each batch was read at once
        assert part.inputs.read == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
