"""Synthetic teachers: the rank and noise they state are the ones their targets have."""

import pytest
import torch

from deepnrc.data import linear_teacher, nonlinear_teacher
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
        ({"samples": 5, "rank": 11}, "rank must be at most target_dim = 10; got 11"),
        ({"samples": 5, "noise": -1.0}, "noise must be at least 0; got -1.0"),
    ],
)
@pytest.mark.parametrize("teacher", [linear_teacher, nonlinear_teacher])
def test_bad_arguments_are_named(teacher, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        teacher(**arguments)


def test_linear_rank_is_bounded_by_the_inputs():
    with pytest.raises(ArgumentError, match="rank must be at most input_dim = 3; got 5"):
        linear_teacher(5, input_dim=3, rank=5)
