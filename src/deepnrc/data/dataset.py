"""A data set ready for training: split, scaled, and with all that is known of its origin."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deepnrc._version import __version__
from deepnrc.data.access.loader import ImageSelection
from deepnrc.data.source import RawData, Scaling, Truth
from deepnrc.data.splits import Part, Scaler, check_matrix, fit_scaler, split_rows
from deepnrc.errors import ArgumentError

__all__ = ["Dataset", "first_rows", "split_data"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train and test part of one set.

    Attributes:
        train: What models are fitted on, and scalers.
        test: The rest.
        input_scaler: Was applied to the inputs of both parts; None for images, which come in the
            normalisation of their reader.
        target_scaler: Was applied to the targets of both parts; its ``invert`` gives them back
            their units.
        input_names: One per column; ``("image",)`` for images.
        target_names: One per column of the targets.
        provenance: Where the numbers come from, only what JSON can hold: ``"data"``,
            ``"made_from"`` (one line, for below a figure), ``"files"`` with their SHA-256,
            ``"split"``, ``"scaling"``, the version of deepnrc, and what the set's own reader or
            builder knows.
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

    The split is that of `split_and_standardize`: the same seed and number of rows give the same
    parts.

    Args:
        raw: Inputs and targets in their own units.
        split_seed: Seed of the permutation; the global generator is left alone.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        scale_inputs: Whether inputs get mean 0 and deviation 1; images never do.
        target_scaling: How targets are scaled.

    Raises:
        ArgumentError: if shapes disagree, or a part would have no rows.
        NonFiniteError: if inputs in memory or targets hold NaN or infinity.

    Warns:
        DeepNRCWarning: if scaled columns are constant on the train part.
    """
    check_matrix("targets", raw.targets)
    if isinstance(raw.inputs, Tensor):
        check_matrix("inputs", raw.inputs)
    n = len(raw.targets)
    if len(raw.inputs) != n:
        raise ArgumentError(
            f"inputs and targets: expected as many rows in one as in the other, got "
            f"{len(raw.inputs)} and {n}; pass one target row per input"
        )
    train, test = split_rows(n, test_fraction=test_fraction, split_seed=split_seed)
    target_scaler = fit_scaler("targets", raw.targets[train], target_scaling)
    input_scaling: Scaling = "none"
    input_scaler = None
    if isinstance(raw.inputs, Tensor):
        input_scaling = "standard" if scale_inputs else "none"
        input_scaler = fit_scaler("inputs", raw.inputs[train], input_scaling)

    def part(rows: Tensor) -> Part:
        # Scaled before rounding to float32, should the values come in float64.
        targets = target_scaler.apply(raw.targets[rows]).float()
        if input_scaler is not None and isinstance(raw.inputs, Tensor):
            return Part(input_scaler.apply(raw.inputs[rows]).float(), targets)
        assert not isinstance(raw.inputs, Tensor)
        return Part(ImageSelection(raw.inputs, rows), targets)

    provenance = raw.provenance | {
        "split": {
            "seed": split_seed,
            "test_fraction": test_fraction,
            "train_rows": len(train),
            "test_rows": len(test),
        },
        "scaling": {"inputs": input_scaling, "targets": target_scaling},
        "deepnrc": __version__,
    }
    return Dataset(
        part(train),
        part(test),
        input_scaler,
        target_scaler,
        raw.input_names,
        raw.target_names,
        provenance,
        raw.truth,
    )


def first_rows(raw: RawData, samples: int) -> RawData:
    """The first rows in stored order, as the papers take them from longer sets.

    Raises:
        ArgumentError: if there are fewer, or `samples` is below 1.
    """
    n = len(raw.targets)
    if not 1 <= samples <= n:
        raise ArgumentError(
            f"samples: expected 1 to {n}, the rows of this set, got {samples}; pass fewer"
            if samples > n
            else f"samples: expected at least 1, got {samples}; pass more"
        )
    if samples == n:
        return raw
    if isinstance(raw.inputs, Tensor):
        inputs: Tensor | ImageSelection = raw.inputs[:samples]
    else:
        inputs = ImageSelection(raw.inputs, torch.arange(samples))
    made_from = f"{raw.provenance['made_from']}; its first {samples} of {n} rows"
    provenance = raw.provenance | {"made_from": made_from, "rows_of": n}
    return replace(raw, inputs=inputs, targets=raw.targets[:samples], provenance=provenance)
