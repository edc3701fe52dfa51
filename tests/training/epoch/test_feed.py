"""Batches: every row once, in order, whatever the block; images in the batches of their rows."""

import pytest
import torch

from deepnrc.training.epoch import feed as feeds
from deepnrc.training.epoch.feed import ImageFeed, InOrder, TensorFeed, make_feed

CPU = torch.device("cpu")


class Pictures:
    """Row i is an image of the number i."""

    shape = (10, 1, 2, 2)

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 10

    def __getitem__(self, rows):
        self.asked.append(len(rows))
        return rows.float()[:, None, None, None].expand(-1, 1, 2, 2)


def rows(count):
    numbers = torch.arange(count, dtype=torch.float32)
    return TensorFeed(numbers[:, None], numbers[:, None] * 2)


@pytest.mark.parametrize("block", [1, 2, 64])
@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (9, 4, [4, 5]),  # a lone last row joins the batch before
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
        (3, 100, [3]),
    ],
)
def test_each_row_once_in_the_order_given(monkeypatch, block, count, size, sizes):
    monkeypatch.setattr(feeds, "_BLOCK", block)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    batches = list(rows(count).batches(order, size))
    if size == 1:
        sizes = [1] * count
    assert [len(x) for x, _ in batches] == sizes
    assert torch.equal(torch.cat([x for x, _ in batches])[:, 0], order.float())
    assert all(torch.equal(y, 2 * x) for x, y in batches)


def test_images_come_with_their_targets():
    pictures = Pictures()
    feed = ImageFeed(pictures, torch.arange(10.0)[:, None], CPU)
    order = torch.tensor([7, 3, 1, 0, 9, 2, 4])
    batches = list(feed.batches(order, 3))
    assert pictures.asked == [3, 4]
    assert torch.equal(torch.cat([x for x, _ in batches])[:, 0, 0, 0], order.float())
    assert all(torch.equal(x[:, 0, 0, 0], y[:, 0]) for x, y in batches)
    assert len(feed) == 10


def test_an_image_that_cannot_be_read_stops_the_pass():
    class Broken(Pictures):
        def __getitem__(self, rows):
            raise OSError("unreadable")

    feed = ImageFeed(Broken(), torch.zeros(10, 1), CPU)
    with pytest.raises(OSError, match="unreadable"):
        list(feed.batches(torch.arange(10), 4))


def test_stored_order_again_and_again_and_the_first_rows():
    loader = InOrder(rows(10), 4, samples=6)
    assert len(loader) == 2
    for _ in range(2):
        assert torch.cat([x for x, _ in loader])[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.cat([x for x, _ in InOrder(rows(3), 4, samples=9)]).numel() == 3
    assert torch.cat([x for x, _ in InOrder(rows(3), 4)]).numel() == 3


def test_make_feed_goes_by_the_inputs():
    assert isinstance(make_feed(torch.zeros(3, 2), torch.zeros(3, 1), CPU), TensorFeed)
    assert isinstance(make_feed(Pictures(), torch.zeros(10, 1), CPU), ImageFeed)
