"""Where the samples are: every layout of a batch, with sizes that coincide on purpose."""

import pytest
import torch

from deepnrc.activations.evidence.layout import Glimpse, Layout, find_layout
from deepnrc.support.undefined import Undefined

B, T, D = 6, 6, 5  # samples and positions alike


def batch():
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))


LAYOUTS = {
    "samples first": (lambda x: x, -1),
    "positions first": (lambda x: x.transpose(0, 1), -1),
    "channels before positions": (lambda x: x.transpose(1, 2), -2),
    "flat, sample by sample": (lambda x: x.flatten(0, 1), -1),
    "flat, position by position": (lambda x: x.transpose(0, 1).flatten(0, 1), -1),
    "windows": (lambda x: x.unflatten(1, (2, 3)).flatten(0, 1), -1),
    "heads before": (lambda x: torch.stack([x, x + 1]).transpose(0, 1).flatten(0, 1), -1),
    "one vector": (lambda x: x[:, 0], -1),
}


SHUFFLED = [3, 0, 5, 1, 4, 2]


@pytest.mark.parametrize("order", [[1, 2, 3, 4, 5], [3, 4, 5], 2 * [*range(B)], SHUFFLED])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_found_and_undone(name, order):
    make, axis = LAYOUTS[name]
    x = batch()
    whole = make(x)
    found = find_layout(
        Glimpse.of(whole, axis), Glimpse.of(make(x[order]), axis), samples=B, order=order
    )
    got = found.by_sample(whole, axis)
    assert len(got) == B
    for sample in range(B):
        expected = make(x[sample : sample + 1])
        rows = expected.movedim(axis, -1).reshape(-1, D)
        torch.testing.assert_close(got[sample].reshape(-1, D), rows)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: x[0], "does not change with the number of samples"),
        (lambda x: x @ x.transpose(1, 2) if len(x) == 0 else x[:, :, None] * x[0], None),
        (lambda x: torch.ones(len(x), len(x), D), "several axes of its input change"),
        (
            lambda x: x[[i for i in range(len(x)) if i not in (2, 4)]],
            "not the same number for each sample: return them from reduce=",
        ),
        (lambda x: x[x[:, 0, 0].argsort()], "in another order than the batch"),
        (lambda x: x.flip(0), "in another order than the batch"),
        (lambda x: x.roll(1, 0), "in another order than the batch"),
        (lambda x: x[(torch.arange(len(x)) ^ 1).clamp(max=len(x) - 1)], "in another order"),
        (lambda x: x + torch.rand(()), None),
        (lambda x: x - x.mean(0), None),
        (lambda x: x if len(x) == B else x[0, 0], "another number of axes"),
        (
            lambda x: x.flatten(0, 1)[torch.randperm(len(x) * T)],
            "36 rows for 6 samples are in an order that cannot be told",
        ),
    ],
)
def test_what_cannot_be_told_says_why(make, reason):
    x = batch()
    found = find_layout(
        Glimpse.of(make(x), -1), Glimpse.of(make(x[1:]), -1), samples=B, order=range(1, B)
    )
    if reason is None:
        assert found == Layout(0)
    else:
        assert isinstance(found, Undefined)
        assert reason in found.reason


def test_one_sample_without_an_axis():
    assert Layout(None).by_sample(torch.ones(D), -1).shape == (1, D)
    assert Layout(None).by_sample(torch.ones(D, 4, 3), -3).shape == (1, 4, 3, D)


def found(make, x, order=range(1, B)):
    whole, part = (Glimpse.of(make(value), -1) for value in (x, x[list(order)]))
    return find_layout(whole, part, samples=len(x), order=order)


def test_rows_that_are_alike_leave_the_order_open():
    still = torch.ones(B, T, D)
    for order in (range(1, B), SHUFFLED):
        assert not found(lambda x: x, still, order).sure
        assert found(lambda x: x, batch(), order).sure
        assert found(lambda x: x.flatten(0, 1), batch(), order).sure
    assert not found(lambda x: x.flatten(0, 1), still).sure
    assert not found(lambda x: x, batch()[:1], [0, 0]).sure
    a, b, c, d = torch.randn(4, D, generator=torch.Generator().manual_seed(0))
    both = torch.stack([torch.stack([a, b, c]), torch.stack([b, b, d])])
    assert not found(lambda x: x.flatten(0, 1), both, [1]).sure  # b, b, d either way


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: x.flip(0), "no axis of its input follows the order of the samples"),
        (lambda x: x[torch.arange(B) ^ 1], "no axis of its input follows"),
        (lambda x: x - x.mean(0) + torch.rand(()), "no axis of its input follows"),
        (lambda x: torch.ones(T, B, D), "the same in every row"),
    ],
)
def test_what_an_order_does_not_tell(make, reason):
    x = batch()[:, :4]
    got = found(make, x, SHUFFLED)
    if "every row" in reason:
        assert got == Layout(0, sure=False)
    else:
        assert reason in got.reason
