"""Batches of a loader: the inputs for the model, and the targets as an N × t matrix."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from deepnrc.errors import DataError, NonFiniteError

__all__ = [
    "Forward",
    "Unpack",
    "cast_inputs",
    "default_forward",
    "default_unpack",
    "target_rows",
    "to_device",
]

Unpack = Callable[[Any], tuple[Any, Any]]
"""What ``unpack=`` takes: batch → (inputs, targets)."""

Forward = Callable[[nn.Module, Any], Any]
"""What ``forward=`` takes: (model, inputs) → predictions."""

_LARGEST = 1e150  # sums of squares of larger numbers overflow float64


def default_unpack(batch: Any) -> tuple[Any, Any]:
    """(inputs, targets) of a batch that is a pair.

    Raises:
        DataError: The batch is not a pair; the message says what it is and what to pass.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, Mapping):
        keys = ", ".join(map(repr, batch))
        got = f"a mapping with the keys {keys}"
        example = "unpack=lambda batch: (batch['x'], batch['y'])"
    elif isinstance(batch, tuple | list):
        got = f"a {type(batch).__name__} of {len(batch)}"
        example = "unpack=lambda batch: ((batch[0], batch[1]), batch[-1])"
    else:
        got = f"a {type(batch).__name__}"
        if isinstance(batch, Tensor):
            got += f" of shape {tuple(batch.shape)}"
        example = "unpack=lambda batch: (inputs, targets)"
    raise DataError(f"the loader must yield (inputs, targets); got {got}: pass {example}")


def default_forward(model: nn.Module, inputs: Any) -> Any:
    """``model(x)``; a mapping is passed as keywords, a tuple or list as several inputs."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple | list) and not isinstance(inputs, PackedSequence):
        return model(*inputs)
    return model(inputs)


def to_device(value: Any, device: torch.device) -> Any:
    """The same mappings, tuples and lists, nested as they are, with all tensors on a device."""
    if isinstance(value, Tensor):
        # A non-blocking copy to the CPU must not be read before it is complete.
        return value.to(device, non_blocking=device.type != "cpu")
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value)).to(device)
    if isinstance(value, PackedSequence):
        return value.to(device)  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(to_device(item, device) for item in value)
    return value


def cast_inputs(value: Any, dtype: torch.dtype) -> Any:
    """The same nest with its tensors of numbers cast to a dtype; masks keep theirs."""
    if isinstance(value, Tensor):
        return value if value.dtype == torch.bool or value.is_complex() else value.to(dtype)
    if isinstance(value, Mapping):
        return {key: cast_inputs(item, dtype) for key, item in value.items()}
    if isinstance(value, tuple | list) and not isinstance(value, PackedSequence):
        return tuple(cast_inputs(item, dtype) for item in value)
    return value


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
