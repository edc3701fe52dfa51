"""Synthetic targets of known rank: linear and nonlinear teachers on Gaussian inputs [RU26, 4.1]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.sets.gaussian import covariance_root, gaussian_inputs
from deepnrc.data.source import RawData, Source, Truth, numbered_names
from deepnrc.errors import ArgumentError

__all__ = ["SYNTHETIC", "SyntheticData", "linear_teacher", "nonlinear_teacher"]

_DRAWS = 1000  # of teachers, before the inputs are taken to be the reason


@dataclass(frozen=True)
class SyntheticData:
    """Inputs, targets, and the rank and noise that they were made with.

    Attributes:
        inputs: N × d, normal with mean 0; standard normal unless a covariance was given.
        targets: N × t.
        rank: Dimension of the subspace that holds the noiseless targets.
        noise: Standard deviation of the noise added to each target.
        provenance: How it was made, in one line of text.
    """

    inputs: Float[Tensor, "n d"]
    targets: Float[Tensor, "n t"]
    rank: int
    noise: float
    provenance: str


def linear_teacher(
    samples: int,
    *,
    input_dim: int = 20,
    target_dim: int = 10,
    rank: int = 2,
    noise: float = 0.0,
    seed: int = 0,
    covariance: Tensor | Sequence[float] | None = None,
) -> SyntheticData:
    """Y = X A with X ~ N(0, I) and A of the given rank, scaled to variance 1 per target.

    Args:
        samples: N.
        input_dim: d.
        target_dim: t.
        rank: r, at most t and d.
        noise: Standard deviation of Gaussian noise on each target.
        seed: Of teacher, inputs and noise; the global generator is not touched.
        covariance: Of the inputs: d × d, symmetric and positive semidefinite, or its d eigenvalues,
            which then belong to the coordinates. None is the identity.

    Raises:
        ArgumentError: A size is below 1, the rank is above input_dim or target_dim, the noise is
            negative, or the covariance is not one of d inputs.
    """
    _check(samples, input_dim, target_dim, rank, noise)
    if rank > input_dim:
        raise ArgumentError(f"rank must be at most input_dim = {input_dim}; got {rank}")
    root, input_rank = covariance_root(covariance, input_dim)
    generator = torch.Generator().manual_seed(seed)
    inputs = gaussian_inputs(samples, input_dim, root, generator)
    left = torch.randn(input_dim, rank, generator=generator)
    right = torch.randn(rank, target_dim, generator=generator)
    targets = inputs @ left @ right / (input_dim * rank) ** 0.5
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"linear teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    # Inputs with fewer directions than the teacher's rank limit the rank of the targets.
    return SyntheticData(inputs, targets, min(rank, input_rank), noise, text)


def nonlinear_teacher(
    samples: int,
    *,
    input_dim: int = 20,
    target_dim: int = 10,
    rank: int = 2,
    noise: float = 0.0,
    seed: int = 0,
    covariance: Tensor | Sequence[float] | None = None,
) -> SyntheticData:
    """Targets of a fully connected ReLU network with two hidden layers of width ``rank``.

    Its last layer maps R^rank to the targets, so they lie in a subspace of that dimension, or fill
    R^t if the layers are wider than t. The inputs are N(0, I) and the weights random. Targets are
    scaled to a mean square of 1 and not centered: a network without biases could not fit a
    constant. Teachers with a unit that is never active, which would lower the rank, are drawn
    again.

    Args:
        samples: N.
        input_dim: d.
        target_dim: t.
        rank: r, the width of the hidden layers; the targets' own rank is min(r, t).
        noise: Standard deviation of Gaussian noise added to each scaled target.
        seed: Of weights, inputs and noise; the global generator is not touched.
        covariance: Of the inputs: d × d, symmetric and positive semidefinite, or its d eigenvalues,
            which then belong to the coordinates. None is the identity.

    Raises:
        ArgumentError: A size is below 1, the noise is negative, the covariance is not one of d
            inputs, or it has so few directions that no teacher drawn has this rank.

    References:
        [RU26] section 4.1, Figure 3, where t = 10 and r = 2, and Figure 8, where t = 3 and r = 10.
    """
    _check(samples, input_dim, max(target_dim, rank), rank, noise)
    root, _ = covariance_root(covariance, input_dim)
    generator = torch.Generator().manual_seed(seed)
    inputs = gaussian_inputs(samples, input_dim, root, generator)
    for _draw in range(_DRAWS):
        hidden = inputs
        for fan_in in (input_dim, rank):
            weight = torch.randn(fan_in, rank, generator=generator) * (2 / fan_in) ** 0.5
            hidden = torch.relu(hidden @ weight)
        # Clearly of rank r: no hidden direction may be nearly 0, unless there are more than t.
        values = torch.linalg.svdvals(hidden.double())
        if samples < rank or rank > target_dim or bool(values[-1] > 0.3 * values[0]):
            break
    else:
        raise ArgumentError(
            f"rank must be one that teachers can have on these inputs; got {rank}, which none of "
            f"{_DRAWS} teachers drawn has: choose a lower rank or a covariance with more directions"
        )
    readout = torch.randn(rank, target_dim, generator=generator)
    targets = hidden @ readout
    targets = targets / targets.square().mean().sqrt()
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"ReLU teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    return SyntheticData(inputs, targets, min(rank, target_dim), noise, text)


def _make(*, samples: int, seed: int, teacher: str = "nonlinear", **options: object) -> RawData:
    teachers = {"linear": linear_teacher, "nonlinear": nonlinear_teacher}
    if teacher not in teachers:
        raise ArgumentError(f"teacher must be 'linear' or 'nonlinear'; got {teacher!r}")
    data = teachers[teacher](samples, seed=seed, **options)  # type: ignore[arg-type]  # checked there
    return RawData(
        inputs=data.inputs,
        targets=data.targets,
        input_names=numbered_names("x", data.inputs.shape[1]),
        target_names=numbered_names("y", data.targets.shape[1]),
        provenance={
            "data": "synthetic",
            "made_from": f"synthetic: {data.provenance}",
            "teacher": teacher,
            "samples": samples,
            "seed": seed,
            "options": {
                # Only what JSON can hold: a covariance may come as a tensor.
                key: torch.as_tensor(value).tolist() if key == "covariance" else value
                for key, value in options.items()
                if value is not None
            },
        },
        truth=Truth(rank=data.rank, noise_floor=data.noise**2),
    )


def _check(samples: int, input_dim: int, target_dim: int, rank: int, noise: float) -> None:
    sizes = {"samples": samples, "input_dim": input_dim, "target_dim": target_dim, "rank": rank}
    for name, size in sizes.items():
        if size < 1:
            raise ArgumentError(f"{name} must be at least 1; got {size}")
    if rank > target_dim:
        raise ArgumentError(f"rank must be at most target_dim = {target_dim}; got {rank}")
    if not noise >= 0.0:
        raise ArgumentError(f"noise must be at least 0; got {noise}")


SYNTHETIC = Source(
    name="synthetic",
    summary="Targets of known rank from a random teacher on Gaussian inputs",
    origin="made in memory, as in Rangamani & Unal (2026), section 4.1",
    licence="none needed: every number is drawn here",
    default_samples=10_000,
    # A network without biases cannot fit the centered targets of a ReLU teacher.
    standardize=False,
    options={
        "teacher": "'nonlinear' (ReLU, two hidden layers of width rank) or 'linear'",
        "input_dim": "number of inputs, 20",
        "target_dim": "number of targets t, 10",
        "rank": "dimension of the subspace the noiseless targets lie in, 2",
        "noise": "standard deviation of noise on each target, 0",
        "covariance": "of the inputs, a matrix or its eigenvalues; the identity",
    },
    make=_make,
)
