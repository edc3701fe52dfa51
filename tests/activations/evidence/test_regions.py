"""Parts of a storage: judged apart only where they share no element."""

import itertools

import pytest
import torch

from deepnrc.activations.evidence.regions import Region, apart


def elements(view):
    """Numbers of the elements of a view, from a tensor that counts."""
    return set(view.flatten().tolist())


def views(base):
    """Slices of every axis, steps, columns, transposes and windows."""
    yield base
    for axis, size in enumerate(base.shape):
        for start, stop in itertools.combinations(range(size + 1), 2):
            yield base.narrow(axis, start, stop - start)
        yield base.select(axis, size - 1)
        yield base.select(axis, 0)
    yield base[..., ::2]
    yield base[..., 1::2]
    yield base.transpose(0, -1)[1:]
    yield base.flatten()[3:7]
    yield base.flatten().unfold(0, 4, 2)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (4, 1, 3), (6,)])
def test_parts_are_apart_only_where_they_share_nothing(shape):
    base = torch.arange(torch.Size(shape).numel()).view(shape)
    found = (
        list(views(base))
        if len(shape) > 1
        else [base[i:j] for i in range(6) for j in range(i + 1, 7)]
    )
    told = 0
    for one, other in itertools.combinations(found, 2):
        judged = apart(Region.of(one), Region.of(other))
        assert not (judged and elements(one) & elements(other))
        told += judged
    assert told > len(found)


def test_slices_of_one_axis_are_told_apart():
    base = torch.zeros(5, 2, 6)
    assert apart(Region.of(base[..., :2]), Region.of(base[..., 2:]))
    assert apart(Region.of(base[:, 0]), Region.of(base[:, 1]))
    assert apart(Region.of(base[2:]), Region.of(base[:2, 1]))
    assert not apart(Region.of(base[..., :3]), Region.of(base[..., 2:]))
    assert not apart(Region.of(base), Region.of(base[0, 0, 0]))


def test_what_has_no_strides_is_all_of_it():
    sparse = torch.eye(3).to_sparse()
    assert Region.of(sparse) is None
    assert not apart(Region.of(sparse), Region.of(torch.zeros(3)))
