"""Joint moments: dense definition, merging in any order, and what is refused."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.moments.record import Moments
from reference.features import center


def assert_moments_of(moments, H, Y, *, rtol=1e-12):
    """Means and covariances are those of the rows; off-diagonals relative to the two spreads."""
    H, Y = np.asarray(H, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    N, H_c, Y_c = len(H), center(H), center(Y)
    s_h, s_y = np.sqrt((H_c**2).mean(0)), np.sqrt((Y_c**2).mean(0))
    assert moments.count == N
    np.testing.assert_allclose(moments.feature_mean, H.mean(0), rtol=1e-14, atol=1e-14 * s_h.max())
    np.testing.assert_allclose(moments.target_mean, Y.mean(0), rtol=1e-14, atol=1e-14 * s_y.max())
    for found, expected, scale in (
        (moments.feature_covariance, H_c.T @ H_c / N, np.outer(s_h, s_h)),
        (moments.cross_covariance, H_c.T @ Y_c / N, np.outer(s_h, s_y)),
        (moments.target_covariance, Y_c.T @ Y_c / N, np.outer(s_y, s_y)),
    ):
        assert np.all(np.abs(found.numpy() - expected) <= rtol * scale)


@pytest.mark.parametrize("mean", [0.0, 30.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_one_batch_gives_the_dense_moments(rng, mean, dtype):
    H = torch.as_tensor(rng.standard_normal((400, 5)) + mean, dtype=dtype)
    Y = torch.as_tensor(rng.standard_normal((400, 2)) - mean, dtype=dtype)
    moments = Moments.from_batch(H, Y)
    assert_moments_of(moments, H, Y)
    tensors = [getattr(moments, f.name) for f in fields(Moments) if f.name != "count"]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}
    assert not moments.single_scatter.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_any_real_dtype_is_summed_in_float64(generator, dtype):
    H = torch.randint(0, 2, (50, 3), generator=generator).to(dtype)
    assert_moments_of(Moments.from_batch(H, H[:, :1]), H.double(), H[:, :1].double())


@given(st.data())
def test_any_merge_tree_gives_the_moments_of_the_whole(data):
    seed = data.draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    N, d, t = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 6)), 2
    mean = data.draw(st.sampled_from([0.0, 1.0, 1e3, 1e6]))
    H = rng.standard_normal((N, d)) + mean * rng.standard_normal(d)
    Y = rng.standard_normal((N, t)) + mean
    cuts = sorted(data.draw(st.lists(st.integers(0, N), max_size=8)))  # equal ones: empty parts
    edges = list(zip([0, *cuts], [*cuts, N], strict=True))
    parts = [Moments.from_batch(torch.tensor(H[a:b]), torch.tensor(Y[a:b])) for a, b in edges]
    while len(parts) > 1:
        a = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        b = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts.append(a.merge(b))
    # 60 merges' rounding; the mean is known to 1e-16 of its size, 1e-10 of the spread
    assert_moments_of(parts[0], H, Y, rtol=1e-12 + 1e-13 * (mean > 1e3))


def test_merging_changes_neither_operand(rng):
    a, b = (
        Moments.from_batch(torch.tensor(rng.standard_normal((9, 3))), torch.ones(9, 1))
        for _ in range(2)
    )
    before = [tensor.clone() for m in (a, b) for tensor in m.state_dict().values()]
    a.merge(b)
    after = [tensor for m in (a, b) for tensor in m.state_dict().values()]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


def test_empty_moments_are_neutral(rng):
    some = Moments.from_batch(torch.tensor(rng.standard_normal((9, 3))), torch.ones(9, 1))
    empty = Moments.empty(3, 1)
    assert some.merge(empty) is some
    assert empty.merge(some) is some
    assert empty.merge(empty).count == 0
    assert Moments.from_batch(torch.empty(0, 3), torch.empty(0, 1)).count == 0
    assert empty.feature_covariance.tolist() == [[0.0] * 3] * 3  # 0, not NaN, for no rows


@pytest.mark.parametrize("value", [0.1, 1e6 / 3, -1e-30])
def test_constant_columns_have_no_scatter_at_all(value):
    """The mean of seven 0.1 is not 0.1; a variance of 1e-34 would count as features."""
    H = torch.full((7, 2), value, dtype=torch.float64)
    whole = Moments.from_batch(H, H[:, :1])
    merged = Moments.from_batch(H[:3], H[:3, :1]).merge(Moments.from_batch(H[3:], H[3:, :1]))
    for moments in (whole, merged):
        assert not moments.feature_scatter.any()
        assert not moments.target_scatter.any()
        assert moments.feature_mean.tolist() == [value, value]


def test_covariances_divide_by_the_count():
    moments = Moments.from_batch(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]]))
    assert moments.feature_covariance.item() == 1.0
    assert moments.cross_covariance.item() == 2.0
    assert moments.target_covariance.item() == 4.0
    assert (moments.feature_dim, moments.target_dim) == (1, 1)


def test_state_dict_round_trip(rng):
    moments = Moments.from_batch(torch.tensor(rng.standard_normal((9, 3))), torch.ones(9, 1))
    back = Moments.from_state_dict(moments.state_dict())
    assert back.count == 9
    for name, tensor in moments.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)


def test_a_foreign_state_dict_is_refused_by_its_entries():
    state = Moments.empty(2, 1).state_dict()
    del state["count"]
    state["bias"] = torch.zeros(1)
    with pytest.raises(ArgumentError, match=r"with \['count'\] missing and \['bias'\] unknown"):
        Moments.from_state_dict(state)


@pytest.mark.parametrize("shapes", [((4, 2), (3, 1)), ((4,), (4, 1)), ((4, 2), (4,))])
def test_rows_that_do_not_pair_up_are_refused(shapes):
    H, Y = map(torch.zeros, shapes)
    with pytest.raises(ArgumentError, match="one row for each sample; got shapes") as error:
        Moments.from_batch(H, Y)
    assert str(shapes[0]) in str(error.value)
    assert str(shapes[1]) in str(error.value)


def test_different_widths_do_not_merge():
    with pytest.raises(ArgumentError, match=r"widths \(d, t\); got \(2, 1\) and \(3, 1\)"):
        Moments.empty(2, 1).merge(Moments.empty(3, 1))
