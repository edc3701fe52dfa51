"""The targets of a batch as an N × t matrix."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.errors import DataError, NonFiniteError

__all__ = ["target_rows"]

_LARGEST = 1e150  # sums of squares of larger numbers overflow float64


def target_rows(targets: Any, batch: int, *, per_position: bool = False) -> Tensor:
    """Targets as an N × t float64 matrix on the CPU.

    Args:
        targets: Tensor or array, (N,) or (N, t); real.
        batch: Number of the batch, for messages.
        per_position: Whether axes between the first and the last are positions, each a sample.

    Raises:
        DataError: The targets are not a tensor of real numbers of such a shape, or are so large
            that their squares overflow.
        NonFiniteError: The targets hold NaN or infinity.
    """
    if not isinstance(targets, Tensor):
        try:
            targets = torch.from_numpy(np.array(targets))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"targets of batch {batch} must be a tensor; got a {type(targets).__name__}: pass "
                "unpack= to pick them from the batch"
            ) from error
    if targets.is_complex():
        raise DataError(
            f"targets of batch {batch} must be real; got complex numbers: split them into real "
            "columns"
        )
    if targets.ndim == 1:
        targets = targets[:, None]
    elif per_position and targets.ndim > 2:
        targets = targets.flatten(0, -2)
    if targets.ndim != 2 or targets.shape[1] == 0:
        raise DataError(
            f"targets of batch {batch} must have shape (samples,) or (samples, t); got "
            f"{tuple(targets.shape)}: flatten further axes with unpack=, or take each position as "
            "a sample with reduce='samples'"
        )
    rows: Tensor = targets.detach().to("cpu", torch.float64)
    finite = torch.isfinite(rows)
    if not bool(finite.all()):
        row = int(torch.nonzero(~finite)[0, 0])
        raise NonFiniteError(
            f"targets of batch {batch} hold NaN or infinity (first in its sample {row}): clean or "
            "drop these samples"
        )
    if bool((rows.abs() > _LARGEST).any()):
        raise DataError(
            f"targets of batch {batch} reach {float(rows.abs().max()):.3g}: their squares overflow "
            "float64; rescale them"
        )
    return rows
