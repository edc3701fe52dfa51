"""Synthetic targets of known rank: linear and nonlinear teachers on Gaussian inputs [RU26, 4.1]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.source import RawData, Source, Truth
from deepnrc.errors import ArgumentError

__all__ = ["SOURCES", "SyntheticData", "linear_teacher", "nonlinear_teacher"]

_DRAWS = 1000  # of teachers, before the inputs are held to blame


@dataclass(frozen=True)
class SyntheticData:
    """Inputs, targets and the truth behind them.

    Attributes:
        inputs: N × d, normal with mean 0; standard normal unless a covariance was given.
        targets: N × t.
        rank: Dimension of the subspace the noiseless targets lie in.
        noise: Standard deviation of what was added to each target.
        provenance: How it was made, as a line of text.
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
    """Y = X A with X ~ N(0, I) and A of the given rank, scaled to unit total variance a target.

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
        ArgumentError: A size below 1, a rank above input_dim or target_dim, negative noise, a
            negative seed, or no covariance of d inputs.
    """
    _check(samples, input_dim, target_dim, rank, noise)
    if rank > input_dim:
        raise ArgumentError(f"rank must be at most input_dim = {input_dim}; got {rank}")
    root, input_rank = _root(covariance, input_dim)
    generator = torch.Generator().manual_seed(seed)
    inputs = _inputs(samples, input_dim, root, generator)
    left = torch.randn(input_dim, rank, generator=generator)
    right = torch.randn(rank, target_dim, generator=generator)
    targets = inputs @ left @ right / (input_dim * rank) ** 0.5
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"linear teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    # Inputs on fewer directions than the teacher reads leave the targets as many.
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
    R^t where the layers are wider than that. The
    inputs are N(0, I) and the weights random. Targets are scaled to a mean square of 1 and not
    centred: a network without biases could not fit a constant. Teachers with a unit that is never
    active, which would lower the rank, are drawn again.

    Args:
        samples: N.
        input_dim: d.
        target_dim: t.
        rank: r, the width of the hidden layers; the targets' own rank is min(r, t).
        noise: Standard deviation of Gaussian noise on each target, before scaling is undone.
        seed: Of weights, inputs and noise; the global generator is not touched.
        covariance: Of the inputs: d × d, symmetric and positive semidefinite, or its d eigenvalues,
            which then belong to the coordinates. None is the identity.

    Raises:
        ArgumentError: A size below 1, negative noise, no covariance of d inputs, or one so
            narrow that no teacher drawn has this rank on them.

    References:
        [RU26] section 4.1, Figure 3, where t = 10 and r = 2, and Figure 8, where t = 3 and r = 10.
    """
    _check(samples, input_dim, max(target_dim, rank), rank, noise)
    root, _ = _root(covariance, input_dim)
    generator = torch.Generator().manual_seed(seed)
    inputs = _inputs(samples, input_dim, root, generator)
    for _draw in range(_DRAWS):
        hidden = inputs
        for fan_in in (input_dim, rank):
            weight = torch.randn(fan_in, rank, generator=generator) * (2 / fan_in) ** 0.5
            hidden = torch.relu(hidden @ weight)
        # As good as rank r: no hidden direction may be all but missing, unless there are to spare.
        values = torch.linalg.svdvals(hidden.double())
        if samples < rank or rank > target_dim or bool(values[-1] > 0.3 * values[0]):
            break
    else:
        raise ArgumentError(
            f"rank: none of {_DRAWS} teachers drawn has rank {rank} on these inputs; choose a "
            "lower rank or a covariance with more directions"
        )
    readout = torch.randn(rank, target_dim, generator=generator)
    targets = hidden @ readout
    targets = targets / targets.square().mean().sqrt()
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"ReLU teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    return SyntheticData(inputs, targets, min(rank, target_dim), noise, text)


def _inputs(samples: int, d: int, root: Tensor | None, generator: torch.Generator) -> Tensor:
    standard = torch.randn(samples, d, generator=generator)
    return standard if root is None else (standard.double() @ root).float()


def _root(covariance: Tensor | Sequence[float] | None, d: int) -> tuple[Tensor | None, int]:
    """The symmetric square root of a covariance, and its rank; None for the identity."""
    if covariance is None:
        return None, d
    matrix = torch.as_tensor(covariance, dtype=torch.float64)
    if matrix.ndim == 1:
        matrix = torch.diag(matrix)
    if matrix.shape != (d, d):
        raise ArgumentError(
            f"covariance: expected a {d} × {d} matrix or {d} eigenvalues for input_dim = {d}, got "
            f"shape {tuple(torch.as_tensor(covariance).shape)}"
        )
    scale = float(matrix.abs().max())
    symmetric = bool(((matrix - matrix.T).abs() <= 1e-10 * scale).all())  # also False for NaN
    values, vectors = (
        torch.linalg.eigh((matrix + matrix.T) / 2) if symmetric else (matrix[0], matrix)
    )
    # Rounding leaves the zero eigenvalues of a singular covariance at about ±1e-16 of the largest.
    if not symmetric or scale == 0.0 or bool((values < -1e-10 * scale).any()):
        raise ArgumentError(
            "covariance: expected a symmetric, positive semidefinite matrix that is not 0, or "
            "eigenvalues of at least 0; got one that is none"
        )
    values = values.where(values > 1e-10 * scale, 0.0)
    return vectors * values.sqrt() @ vectors.T, int((values > 0.0).sum())


def _make(
    *,
    samples: int,
    seed: int,
    teacher: str = "nonlinear",
    **options: object,
) -> RawData:
    teachers = {"linear": linear_teacher, "nonlinear": nonlinear_teacher}
    if teacher not in teachers:
        raise ArgumentError(f"teacher: expected 'linear' or 'nonlinear', got {teacher!r}")
    data = teachers[teacher](samples, seed=seed, **options)  # type: ignore[arg-type]  # checked there
    made_from = f"synthetic: {data.provenance}"
    return RawData(
        inputs=data.inputs,
        targets=data.targets,
        input_names=tuple(f"x{i}" for i in range(data.inputs.shape[1])),
        target_names=tuple(f"y{i}" for i in range(data.targets.shape[1])),
        provenance={
            "data": "synthetic",
            "made_from": made_from,
            "teacher": teacher,
            "samples": samples,
            "seed": seed,
            "options": {
                # What JSON can hold: a covariance may come as a tensor.
                key: torch.as_tensor(value).tolist() if key == "covariance" else value
                for key, value in options.items()
                if value is not None
            },
        },
        truth=Truth(rank=data.rank, noise_floor=data.noise**2),
    )


SOURCES = (
    Source(
        name="synthetic",
        summary="Targets of known rank from a random teacher on Gaussian inputs",
        origin="made in memory, as in Rangamani & Unal (2026), section 4.1",
        licence="none needed: every number is drawn here",
        targets=(),
        default_samples=10_000,
        standardize=False,  # centred targets of a ReLU teacher ask a network without biases for one
        options={
            "teacher": "'nonlinear' (ReLU, two hidden layers of width rank) or 'linear'",
            "input_dim": "number of inputs, 20",
            "target_dim": "number of targets t, 10",
            "rank": "dimension of the subspace the noiseless targets lie in, 2",
            "noise": "standard deviation of noise on each target, 0",
            "covariance": "of the inputs, a matrix or its eigenvalues; the identity",
        },
        make=_make,
    ),
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
