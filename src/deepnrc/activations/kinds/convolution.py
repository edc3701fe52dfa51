"""Convolutions and transposed convolutions."""

import functools

import torch
from torch import Tensor, nn

from deepnrc.activations.kinds.part import Part, Parts, first_tensor, is_matrix, whole

__all__ = ["convolution", "is_convolution"]

_CONVOLUTIONS: dict[type[nn.Module], tuple[int, bool]] = {
    nn.Conv1d: (1, False),
    nn.Conv2d: (2, False),
    nn.Conv3d: (3, False),
    nn.ConvTranspose1d: (1, True),
    nn.ConvTranspose2d: (2, True),
    nn.ConvTranspose3d: (3, True),
}


def convolution(module: nn.Module) -> Parts | None:
    """Torch's convolutions; their features are the channels."""
    facts = _facts(module)
    if facts is None or not is_matrix(getattr(module, "weight", None)):
        return None
    axes, transposed = facts
    part = Part(
        "",
        "convolution",
        whole(module, "in_channels"),
        functools.partial(getattr, module, "weight"),
        functools.partial(_matrix, groups=whole(module, "groups"), transposed=transposed),
        functools.partial(getattr, module, "bias", None),
        spatial_axes=axes,
    )
    return Parts((part,), before=first_tensor)


def is_convolution(module: nn.Module) -> bool:
    """Whether it is of a kind of this file, whatever its weight."""
    return _facts(module) is not None


def _facts(module: nn.Module) -> tuple[int, bool] | None:
    """(spatial axes, transposed) of a convolution, None for anything else."""
    return next((facts for kind, facts in _CONVOLUTIONS.items() if isinstance(module, kind)), None)


def _matrix(weight: Tensor, *, groups: int, transposed: bool) -> Tensor:
    """(c_out · kernel) × c_in, zero across groups."""
    if not transposed:
        # (out, in/groups, *k): group g takes its own in/groups channels.
        blocks = weight.reshape(groups, -1, weight.shape[1], weight[0, 0].numel())
        blocks = blocks.permute(0, 1, 3, 2).flatten(1, 2)
    else:
        # (in, out/groups, *k).
        blocks = weight.reshape(groups, -1, weight[0].numel()).transpose(1, 2)
    matrix: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return matrix
