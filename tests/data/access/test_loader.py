import pytest
import torch

from deepnrc.data.access.loader import ImageSelection
from deepnrc.data.source import ImageRows
from deepnrc.data.splits import Part
from deepnrc.errors import ArgumentError


class Images:
    """Image i is filled with i; says which rows were read."""

    shape = (10, 1, 2, 3)

    def __init__(self):
        self.read = []

    def __len__(self):
        return 10

    def __getitem__(self, rows):
        self.read.append(rows.tolist())
        return rows.float()[:, None, None, None].expand(-1, 1, 2, 3)


@pytest.fixture
def part():
    return Part(torch.arange(10.0)[:, None], torch.arange(10.0)[:, None] * 2)


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


def test_global_generator_is_left_alone(part):
    before = torch.get_rng_state()
    list(part.loader(4, shuffle=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_images_are_read_one_batch_ahead_and_no_more():
    images = Images()
    batches = iter(Part(images, torch.zeros(10, 1)).loader(2))
    next(batches)
    next(batches)
    assert images.read[:2] == [[0, 1], [2, 3]]
    assert len(images.read) <= 3
    assert len(list(batches)) == 3
    assert images.read == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_an_error_while_reading_reaches_the_caller():
    class Broken(Images):
        def __getitem__(self, rows):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(Part(Broken(), torch.zeros(10, 1)).loader(4))


def test_a_selection_of_images_in_its_own_order():
    images = Images()
    selection = ImageSelection(images, torch.tensor([7, 2, 9]))
    assert isinstance(selection, ImageRows)
    assert len(selection) == 3
    assert selection.shape == (3, 1, 2, 3)
    assert selection[torch.tensor([2, 0])][:, 0, 0, 0].tolist() == [9, 7]
    assert ImageSelection(selection, torch.tensor([1]))[torch.tensor([0])].unique().tolist() == [2]


def test_bad_batch_size(part):
    with pytest.raises(ArgumentError, match=r"batch_size: expected at least 1 .*, got 0; pass"):
        part.loader(0)
