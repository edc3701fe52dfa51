"""Synthetic teachers: the rank and noise they state are the ones their targets have."""

import json

import pytest
import torch

from deepnrc.data import Truth, linear_teacher, load_raw, nonlinear_teacher
from deepnrc.errors import ArgumentError


def _rank(targets: torch.Tensor) -> int:
    values = torch.linalg.svdvals(targets.double())
    # float32 rounding leaves about 1e-7 of the largest; real directions are above 1e-2 here.
    return int((values > 1e-4 * values[0]).sum())


@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_noiseless_targets_have_the_stated_rank(teacher, rank):
    data = teacher(500, rank=rank, target_dim=6, seed=3)
    assert data.inputs.shape == (500, 20)
    assert data.targets.shape == (500, 6)
    assert data.rank == rank == _rank(data.targets)


@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_noise_has_the_stated_size_and_the_signal_stays(teacher):
    clean, noisy = teacher(4000, seed=1), teacher(4000, noise=0.1, seed=1)
    assert torch.equal(clean.inputs, noisy.inputs)
    # 40,000 draws: the sample deviation is within 1.5 % at four standard errors.
    assert float((noisy.targets - clean.targets).std()) == pytest.approx(0.1, rel=0.015)


def test_seeds_decide_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    first, again, other = (nonlinear_teacher(50, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.targets, other.targets)
    assert torch.equal(torch.get_rng_state(), before)


def test_nonlinear_targets_have_mean_square_one():
    data = nonlinear_teacher(2000, seed=5)
    assert float(data.targets.square().mean()) == pytest.approx(1.0, rel=1e-5)


def test_nonlinear_teacher_is_not_linear():
    data = nonlinear_teacher(2000, seed=0)
    solution = torch.linalg.lstsq(data.inputs.double(), data.targets.double()).solution
    residual = data.targets.double() - data.inputs.double() @ solution
    assert float(residual.square().mean()) > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples must be at least 1; got 0"),
        ({"samples": 5, "rank": 0}, "rank must be at least 1; got 0"),
        ({"samples": 5, "noise": -1.0}, "noise must be at least 0; got -1.0"),
    ],
)
@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_bad_arguments_are_named(teacher, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        teacher(**arguments)


def test_a_nonlinear_teacher_may_be_wider_than_the_targets():
    data = nonlinear_teacher(400, rank=10, target_dim=3, seed=1)  # [RU26] Figure 8
    assert data.rank == 3 == _rank(data.targets)


def test_linear_rank_is_bounded_by_targets_and_inputs():
    with pytest.raises(ArgumentError, match="rank must be at most target_dim = 10; got 11"):
        linear_teacher(5, rank=11)
    with pytest.raises(ArgumentError, match="rank must be at most input_dim = 3; got 5"):
        linear_teacher(5, input_dim=3, rank=5)


@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_inputs_have_the_covariance_asked_for(teacher):
    basis = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())
    covariance = basis.Q @ torch.diag(torch.tensor([4.0, 1.0, 0.25]).double()) @ basis.Q.T
    covariance = (covariance + covariance.T) / 2
    data = teacher(40_000, input_dim=3, target_dim=4, rank=2, covariance=covariance)
    found = data.inputs.double().T @ data.inputs.double() / 40_000
    # Four standard errors of a second moment of size 4: 4 · √2 · 4 / √40,000.
    torch.testing.assert_close(found, covariance, rtol=0, atol=0.12)
    assert data.inputs.dtype == torch.float32
    assert data.rank == 2 == _rank(data.targets)


@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_eigenvalues_belong_to_the_coordinates_and_ones_change_nothing(teacher):
    spectrum = [9.0, 1.0, 0.01]
    data = teacher(20_000, input_dim=3, target_dim=4, rank=1, covariance=spectrum)
    # Four standard errors of a second moment: 4 · √2 / √20,000, relative.
    assert data.inputs.square().mean(dim=0).tolist() == pytest.approx(spectrum, rel=0.04)
    plain = teacher(100, input_dim=3, target_dim=4, rank=1)
    same = teacher(100, input_dim=3, target_dim=4, rank=1, covariance=torch.eye(3))
    torch.testing.assert_close(same.targets, plain.targets)


def test_a_singular_covariance_lowers_the_rank_of_a_linear_teacher():
    spectrum = [1.0, 1.0, 0.0, 0.0]
    data = linear_teacher(200, input_dim=4, target_dim=5, rank=3, covariance=spectrum)
    assert data.rank == 2 == _rank(data.targets)
    assert data.inputs[:, 2:].eq(0).all()


def test_a_nonlinear_teacher_that_cannot_have_its_rank():
    # On one direction a ReLU network without biases has two features at most.
    message = r"got 5, which none of 1000 teachers drawn has: choose a lower"
    with pytest.raises(ArgumentError, match=message):
        nonlinear_teacher(50, input_dim=3, rank=5, covariance=[1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([1.0, 1.0], r"a 3 × 3 matrix or 3 eigenvalues for input_dim = 3; got shape \(2,\)"),
        (torch.ones(3, 2), r"got shape \(3, 2\)"),
        (torch.tensor(2.0), r"got shape \(\)"),
        ([1.0, 1.0, -0.1], "symmetric, positive semidefinite matrix other than 0"),
        (torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 0, 1]]), "symmetric, positive semidefinite"),
        ([1.0, 1.0, float("nan")], "symmetric, positive semidefinite"),
        ([0.0, 0.0, 0.0], "matrix other than 0"),
    ],
)
@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_covariances_that_are_none(teacher, covariance, message):
    with pytest.raises(ArgumentError, match=rf"covariance must be .*{message}"):
        teacher(10, input_dim=3, rank=1, covariance=covariance)


def test_by_name_the_truth_is_that_of_the_targets():
    raw = load_raw("synthetic", samples=300, seed=4, teacher="linear", rank=3, noise=0.2)
    data = linear_teacher(300, rank=3, noise=0.2, seed=4)
    assert torch.equal(raw.inputs, data.inputs)
    assert torch.equal(raw.targets, data.targets)
    assert raw.truth == Truth(rank=3, noise_floor=0.2**2)
    assert raw.target_names[:2] == ("y0", "y1")
    assert raw.provenance["options"] == {"rank": 3, "noise": 0.2}
    covariance = torch.eye(20)
    nonlinear = load_raw("synthetic", samples=300, covariance=covariance)
    assert nonlinear.provenance["teacher"] == "nonlinear"
    json.dumps(nonlinear.provenance)
    assert nonlinear.provenance["options"] == {"covariance": covariance.tolist()}


def test_a_teacher_of_another_kind():
    with pytest.raises(ArgumentError, match="teacher must be 'linear' or 'nonlinear'; got 'cubic"):
        load_raw("synthetic", samples=5, teacher="cubic")
