"""A data set ready for training: split, scaled, and with its provenance."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deepnrc._version import __version__
from deepnrc.data.access.images import ImageSelection
from deepnrc.data.scaling import Scaler, fit_scaler
from deepnrc.data.source import RawData, Scaling, Truth
from deepnrc.data.splits import Part, split_rows
from deepnrc.errors import ArgumentError, NonFiniteError

__all__ = ["Dataset", "check_matrix", "first_rows", "split_data"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The train and test part of one data set.

    Attributes:
        train: The rows that models and scalers are fitted on.
        test: The other rows.
        input_scaler: Was applied to the inputs of both parts; None for images, which come in the
            normalization of their reader.
        target_scaler: Was applied to the targets of both parts; its ``invert`` gives them in their
            own units.
        input_names: One per column; ``("image",)`` for images.
        target_names: One per column of the targets.
        provenance: Where the numbers come from, only what JSON can hold: ``"data"``,
            ``"made_from"`` (one line, for below a figure), ``"files"`` with their SHA-256,
            ``"split"``, ``"scaling"``, the version of deepnrc, and what the set's own reader or
            builder adds.
        truth: Rank and noise floor of synthetic sets, in the targets' own units.
    """

    train: Part
    test: Part
    input_scaler: Scaler | None
    target_scaler: Scaler
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    provenance: dict[str, object]
    truth: Truth | None = None


def split_data(
    raw: RawData,
    *,
    split_seed: int = 42,
    test_fraction: float = 0.2,
    scale_inputs: bool = True,
    target_scaling: Scaling = "standard",
) -> Dataset:
    """Split rows at random and scale columns by what the train part shows.

    The seed, the number of rows and which of them are copies determine the parts.

    Args:
        raw: Inputs and targets in their own units.
        split_seed: Seed of the permutation; the global generator is not touched.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        scale_inputs: Whether inputs get mean 0 and deviation 1; images never do.
        target_scaling: How targets are scaled.

    Raises:
        ArgumentError: Shapes disagree, or a part would have no rows.
        NonFiniteError: Inputs in memory or targets hold NaN or infinity.

    Warns:
        DeepNRCWarning: Scaled columns are constant on the train part.
    """
    _check_rows(raw)
    rows = split_rows(
        len(raw.targets), test_fraction=test_fraction, split_seed=split_seed, copies=raw.copies
    )
    train_rows, test_rows = rows
    target_scaler = fit_scaler("targets", raw.targets[train_rows], target_scaling)
    input_scaler: Scaler | None = None
    input_scaling: Scaling = "none"
    inputs: list[Tensor] | list[ImageSelection]
    # Values in float64 are scaled before they are rounded to float32.
    if isinstance(raw.inputs, Tensor):
        input_scaling = "standard" if scale_inputs else "none"
        input_scaler = fit_scaler("inputs", raw.inputs[train_rows], input_scaling)
        inputs = [input_scaler.apply(raw.inputs[part]).float() for part in rows]
    else:
        inputs = [ImageSelection(raw.inputs, part) for part in rows]
    targets = [target_scaler.apply(raw.targets[part]).float() for part in rows]
    return Dataset(
        train=Part(inputs[0], targets[0]),
        test=Part(inputs[1], targets[1]),
        input_scaler=input_scaler,
        target_scaler=target_scaler,
        input_names=raw.input_names,
        target_names=raw.target_names,
        provenance=raw.provenance
        | {
            "split": {
                "seed": split_seed,
                "test_fraction": test_fraction,
                "train_rows": len(train_rows),
                "test_rows": len(test_rows),
            },
            "scaling": {"inputs": input_scaling, "targets": target_scaling},
            "deepnrc": __version__,
        },
        truth=raw.truth,
    )


def first_rows(raw: RawData, samples: int) -> RawData:
    """The first rows in stored order, as the papers take them from longer sets.

    Raises:
        ArgumentError: There are fewer rows, or `samples` is below 1.
    """
    n = len(raw.targets)
    if not 1 <= samples <= n:
        raise ArgumentError(f"samples must be from 1 to {n}, the rows of this set; got {samples}")
    if samples == n:
        return raw
    if isinstance(raw.inputs, Tensor):
        inputs: Tensor | ImageSelection = raw.inputs[:samples]
    else:
        inputs = ImageSelection(raw.inputs, torch.arange(samples))
    made_from = f"{raw.provenance['made_from']}; its first {samples} of {n} rows"
    provenance = raw.provenance | {"made_from": made_from, "rows_of": n}
    copies = None if raw.copies is None else raw.copies[:samples]
    targets = raw.targets[:samples]
    return replace(raw, inputs=inputs, targets=targets, provenance=provenance, copies=copies)


def check_matrix(name: str, values: Tensor) -> None:
    """Require a matrix of finite floating-point numbers.

    Raises:
        ArgumentError: The shape or type is another.
        NonFiniteError: It holds NaN or infinity.
    """
    if values.ndim != 2 or not values.is_floating_point():
        raise ArgumentError(
            f"{name} must be a floating-point matrix (rows, columns); got shape "
            f"{tuple(values.shape)} of {values.dtype}: reshape or convert it first"
        )
    finite = values.isfinite().all(dim=0)
    if not finite.all():
        columns = ", ".join(str(i) for i in (~finite).nonzero().flatten().tolist())
        raise NonFiniteError(
            f"{name} must be finite; got NaN or infinity in column(s) {columns}, counted from 0: "
            "remove or fill those rows first"
        )


def _check_rows(raw: RawData) -> None:
    check_matrix("targets", raw.targets)
    if isinstance(raw.inputs, Tensor):
        check_matrix("inputs", raw.inputs)
    if len(raw.inputs) != len(raw.targets):
        raise ArgumentError(
            f"inputs and targets must have the same number of rows; got {len(raw.inputs)} and "
            f"{len(raw.targets)}: pass one target row per input"
        )
