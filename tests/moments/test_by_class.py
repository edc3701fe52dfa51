"""Moments by class: exact for points, whatever the batches; classes that are never seen."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.moments import by_class as module
from deepnrc.moments.by_class import ClassSums, class_bytes


def summed(*parts, classes, width=3):
    sums = ClassSums(width, classes)
    for H, labels in parts:
        sums.add(torch.as_tensor(H), torch.as_tensor(labels))
    return sums.result()


def test_nothing_seen():
    got = summed(classes=2)
    assert got.counts.tolist() == [0, 0]
    assert got.seen.tolist() == []
    assert got.means.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert got.energies.tolist() == [0, 0]


def test_a_class_that_is_never_seen(rng):
    H = rng.standard_normal((4, 3))
    got = summed((H, [2, 0, 2, 2]), classes=4)
    assert got.counts.tolist() == [1, 0, 3, 0]
    assert got.seen.tolist() == [0, 2]
    assert torch.equal(got.means[1], torch.zeros(3, dtype=torch.float64))
    np.testing.assert_allclose(got.means[2].numpy(), H[[0, 2, 3]].mean(0), rtol=1e-14)


def test_a_class_of_one_point_has_energy_0_exactly(rng):
    points = (rng.standard_normal((3, 3)) * 1e3).astype(np.float32)
    labels = rng.integers(0, 3, 200)
    got = summed((points[labels[:90]], labels[:90]), (points[labels[90:]], labels[90:]), classes=3)
    assert got.energies.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(got.means.numpy(), points.astype(np.float64))


def test_small_scatter_about_a_large_mean_keeps_its_digits(rng):
    H = 1e6 + 1e-3 * rng.standard_normal((100, 3))
    got = summed((H, np.zeros(100, dtype=np.int64)), classes=2)
    expected = np.sum((H - 1e6 - (H - 1e6).mean(0)) ** 2)
    assert float(got.energies[0]) == pytest.approx(expected, rel=1e-9)


@given(
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5),
    classes=st.integers(2, 5),
    seed=st.integers(0, 2**16),
)
def test_batches_do_not_matter(sizes, classes, seed):
    rng = np.random.default_rng(seed)
    n = sum(sizes) + 2
    H, labels = rng.standard_normal((n, 3)) + 5, rng.integers(0, classes, n)
    cuts = np.cumsum(sizes)
    got = summed(*zip(np.split(H, cuts), np.split(labels, cuts), strict=True), classes=classes)
    assert got.counts.tolist() == np.bincount(labels, minlength=classes).tolist()
    for c in np.unique(labels):
        rows = H[labels == c]
        np.testing.assert_allclose(got.means[c].numpy(), rows.mean(0), rtol=1e-13)
        energy = np.sum((rows - rows.mean(0)) ** 2)
        assert float(got.energies[c]) == pytest.approx(energy, rel=1e-12, abs=1e-28)


def test_many_rows_are_taken_in_pieces(rng, monkeypatch):
    H, labels = rng.standard_normal((50, 3)), rng.integers(0, 3, 50)
    whole = summed((H, labels), classes=3)
    monkeypatch.setattr(module, "_ROWS", 7)
    pieces = summed((H, labels), classes=3)
    assert torch.equal(pieces.counts, whole.counts)
    torch.testing.assert_close(pieces.means, whole.means, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(pieces.energies, whole.energies, rtol=1e-13, atol=1e-15)


def test_memory_is_that_of_the_sums():
    sums = ClassSums(5, 3)
    held = sum(x.nbytes for x in vars(sums).values())
    assert class_bytes(5, 3) == held
