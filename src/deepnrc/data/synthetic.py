"""Synthetic targets of known rank: linear and nonlinear teachers on Gaussian inputs [RU26, 4.1]."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.errors import ArgumentError

__all__ = ["SyntheticData", "linear_teacher", "nonlinear_teacher"]


@dataclass(frozen=True)
class SyntheticData:
    """Inputs, targets and the truth behind them.

    Attributes:
        inputs: N × d, standard normal.
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
) -> SyntheticData:
    """Y = X A with X ~ N(0, I) and A of the given rank, scaled to unit total variance a target.

    Raises:
        ArgumentError: A size below 1, a rank above input_dim or target_dim, or negative noise.
    """
    _check(samples, input_dim, target_dim, rank, noise)
    if rank > input_dim:
        raise ArgumentError(f"rank must be at most input_dim = {input_dim}; got {rank}")
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, input_dim, generator=generator)
    left = torch.randn(input_dim, rank, generator=generator)
    right = torch.randn(rank, target_dim, generator=generator)
    targets = inputs @ left @ right / (input_dim * rank) ** 0.5
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"linear teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    return SyntheticData(inputs, targets, rank, noise, text)


def nonlinear_teacher(
    samples: int,
    *,
    input_dim: int = 20,
    target_dim: int = 10,
    rank: int = 2,
    noise: float = 0.0,
    seed: int = 0,
) -> SyntheticData:
    """Targets of a fully connected ReLU network with two hidden layers of width ``rank``.

    Its last layer maps R^rank to the targets, so they lie in a subspace of that dimension. The
    inputs are N(0, I) and the weights random. Targets are scaled to a mean square of 1 and not
    centred: a network without biases could not fit a constant. Teachers with a unit that is never
    active, which would lower the rank, are drawn again.

    Args:
        samples: N.
        input_dim: d.
        target_dim: t.
        rank: r, at most t.
        noise: Standard deviation of Gaussian noise on each target, before scaling is undone.
        seed: Of weights, inputs and noise; the global generator is not touched.

    Raises:
        ArgumentError: A size below 1, a rank above target_dim, or negative noise.

    References:
        [RU26] section 4.1 and Figure 3, where t = 10 and r = 2.
    """
    _check(samples, input_dim, target_dim, rank, noise)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, input_dim, generator=generator)
    while True:
        hidden = inputs
        for fan_in in (input_dim, rank):
            weight = torch.randn(fan_in, rank, generator=generator) * (2 / fan_in) ** 0.5
            hidden = torch.relu(hidden @ weight)
        # As good as rank r: no hidden direction may be all but missing.
        values = torch.linalg.svdvals(hidden.double())
        if samples < rank or bool(values[-1] > 0.3 * values[0]):
            break
    readout = torch.randn(rank, target_dim, generator=generator)
    targets = hidden @ readout
    targets = targets / targets.square().mean().sqrt()
    targets += noise * torch.randn(targets.shape, generator=generator)
    text = f"ReLU teacher of rank {rank}, {samples} samples, noise {noise:g}, seed {seed}"
    return SyntheticData(inputs, targets, rank, noise, text)


def _check(samples: int, input_dim: int, target_dim: int, rank: int, noise: float) -> None:
    sizes = {"samples": samples, "input_dim": input_dim, "target_dim": target_dim, "rank": rank}
    for name, size in sizes.items():
        if size < 1:
            raise ArgumentError(f"{name} must be at least 1; got {size}")
    if rank > target_dim:
        raise ArgumentError(f"rank must be at most target_dim = {target_dim}; got {rank}")
    if not noise >= 0.0:
        raise ArgumentError(f"noise must be at least 0; got {noise}")
