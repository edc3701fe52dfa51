import pytest
import torch

from deepnrc.data.access.images import ImageSelection, read_ahead
from deepnrc.data.source import ImageRows


class Images:
    """Image i is filled with i; records which rows were read."""

    shape = (10, 1, 2, 3)

    def __init__(self):
        self.read = []

    def __len__(self):
        return 10

    def __getitem__(self, rows):
        self.read.append(rows.tolist())
        return rows.float()[:, None, None, None].expand(-1, 1, 2, 3)


def test_images_are_read_one_batch_ahead_and_no_more():
    images = Images()
    batches = read_ahead(images, torch.arange(10).split(2))
    assert [next(batches)[0].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    assert images.read[:2] == [[0, 1], [2, 3]]
    assert len(images.read) <= 3
    assert len(list(batches)) == 3
    assert images.read == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


@pytest.mark.parametrize("inputs", [Images(), torch.arange(10.0)[:, None]])
def test_each_batch_comes_with_its_rows(inputs):
    order = torch.tensor([7, 2, 9, 0, 4])
    for rows, values in read_ahead(inputs, order.split(2)):
        assert torch.equal(values.flatten(1)[:, 0], rows.float())


def test_an_error_while_reading_reaches_the_caller():
    class Broken(Images):
        def __getitem__(self, rows):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(read_ahead(Broken(), torch.arange(10).split(4)))


def test_a_selection_of_images_in_its_own_order():
    images = Images()
    selection = ImageSelection(images, torch.tensor([7, 2, 9]))
    assert isinstance(selection, ImageRows)
    assert len(selection) == 3
    assert selection.shape == (3, 1, 2, 3)
    assert selection[torch.tensor([2, 0])][:, 0, 0, 0].tolist() == [9, 7]
    assert ImageSelection(selection, torch.tensor([1]))[torch.tensor([0])].unique().tolist() == [2]
