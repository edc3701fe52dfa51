"""Random train and test parts of a data set, with columns scaled by what the train part shows."""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.access.loader import PartLoader
from deepnrc.data.source import ImageRows, Scaling
from deepnrc.errors import ArgumentError, DeepNRCWarning, NonFiniteError

__all__ = [
    "Part",
    "Scaler",
    "Splits",
    "check_matrix",
    "fit_scaler",
    "split_and_standardize",
    "split_rows",
]


@dataclass(frozen=True, eq=False)
class Scaler:
    """A shift and a scale per column, and the way back.

    Attributes:
        mean: Subtracted first, in the column's unit, float64: the train part's mean, or its
            minimum where values are brought to [0, 1].
        scale: Divided by then, in the column's unit, positive, float64: the train part's standard
            deviation (divisor n), or its range.

    Example:
        >>> scaler = Scaler(mean=torch.tensor([10.0]), scale=torch.tensor([2.0]))
        >>> scaler.apply(torch.tensor([[14.0]]))
        tensor([[2.]])
        >>> scaler.invert(torch.tensor([[2.0]]))
        tensor([[14.]])
    """

    mean: Float[Tensor, " columns"]
    scale: Float[Tensor, " columns"]

    def apply(self, values: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """Values in the columns' own units to scaled ones; same type and device as `values`.

        Raises:
            ArgumentError: if the number of columns is not the scaler's.
        """
        mean, scale = self._on_device_of(values)
        # In float64: with a mean far from 0, float32 would lose what little the values differ by.
        return ((values.double() - mean) / scale).to(values.dtype)

    def invert(self, values: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """Scaled values back to the columns' own units; same type and device as `values`.

        Raises:
            ArgumentError: if the number of columns is not the scaler's.
        """
        mean, scale = self._on_device_of(values)
        return (values.double() * scale + mean).to(values.dtype)

    def _on_device_of(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if values.shape[1] != len(self.mean):  # 1 would be stretched without a word
            raise ArgumentError(
                f"values: expected {len(self.mean)} columns as the scaler was fitted on, got "
                f"{values.shape[1]}; pass the matrix that belongs to this scaler"
            )
        return self.mean.to(values.device), self.scale.to(values.device)


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one side of a split, float32; row i of both belongs together.

    Attributes:
        inputs: n × d, or images that stay on disk until their row numbers are asked for.
        targets: n × t.
    """

    inputs: Tensor | ImageRows
    targets: Float[Tensor, "n t"]

    def loader(self, batch_size: int = 128, *, shuffle: bool = False, seed: int = 0) -> PartLoader:
        """Batches of (inputs, targets), the same in every pass; for training, a seed an epoch.

        Args:
            batch_size: Rows a batch, at least 1; the last batch may be shorter.
            shuffle: Whether rows are permuted.
            seed: Of the permutation; the global generator is left alone.

        Raises:
            ArgumentError: if `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ArgumentError(
                f"batch_size: expected at least 1 row a batch, got {batch_size}; pass a larger one"
            )
        return PartLoader(self.inputs, self.targets, batch_size, shuffle, seed)


@dataclass(frozen=True, eq=False)
class Splits:
    """Train and test part of a data set, and the scalers that were applied to both.

    Without standardizing, the scalers shift by 0 and scale by 1.
    """

    train: Part
    test: Part
    input_scaler: Scaler
    target_scaler: Scaler


def split_and_standardize(
    inputs: Tensor,
    targets: Tensor,
    *,
    test_fraction: float = 0.2,
    split_seed: int = 42,
    standardize: bool = True,
) -> Splits:
    """Split rows at random and give each column mean 0 and standard deviation 1 on the train part.

    Means and standard deviations (divisor: number of train rows) come from the train part only, in
    float64, and are applied to both parts. A column that is constant on the train part keeps scale
    1.

    Args:
        inputs: (n, d), floating point.
        targets: (n, t), floating point.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        split_seed: Seed of the permutation; the global generator is left alone.
        standardize: False leaves the values as they are.

    Returns:
        Both parts in permuted order, float32, and the scalers.

    Raises:
        ArgumentError: if a shape or type is wrong, or a part would have no rows.
        NonFiniteError: if inputs or targets hold NaN or infinity.

    Warns:
        DeepNRCWarning: if columns are constant on the train part; the message names them.
    """
    for name, values in (("inputs", inputs), ("targets", targets)):
        check_matrix(name, values)
    if len(inputs) != len(targets):
        raise ArgumentError(
            f"inputs and targets: expected as many rows in one as in the other, got {len(inputs)} "
            f"and {len(targets)}; pass one target row per input row"
        )
    train, test = split_rows(len(inputs), test_fraction=test_fraction, split_seed=split_seed)
    scaling: Scaling = "standard" if standardize else "none"
    input_scaler = fit_scaler("inputs", inputs[train], scaling)
    target_scaler = fit_scaler("targets", targets[train], scaling)

    def part(rows: Tensor) -> Part:
        # Scaled before rounding to float32, should the values come in float64.
        return Part(
            inputs=input_scaler.apply(inputs[rows]).float(),
            targets=target_scaler.apply(targets[rows]).float(),
        )

    return Splits(part(train), part(test), input_scaler, target_scaler)


def split_rows(n: int, *, test_fraction: float, split_seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers of the train and of the test part, drawn at random without replacement.

    Args:
        n: Rows altogether.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        split_seed: Seed of the permutation; the global generator is left alone.

    Raises:
        ArgumentError: if a part would have no rows.
    """
    n_test = round(n * test_fraction) if 0 < test_fraction < 1 else 0
    if not 0 < n_test < n:
        raise ArgumentError(
            f"test_fraction: expected a share in (0, 1) that leaves rows for both parts of {n}, "
            f"got {test_fraction}; choose another share or pass more rows"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(split_seed))
    return order[n_test:], order[:n_test]


def fit_scaler(name: str, values: Tensor, scaling: Scaling) -> Scaler:
    """What brings each column of (n, c) train values to mean 0 and deviation 1, or to [0, 1].

    Args:
        name: What the values are, for the warning.
        values: (n, c), floating point, finite.
        scaling: ``"none"`` gives the scaler that changes nothing.

    Warns:
        DeepNRCWarning: if columns are constant, which keep scale 1; the message names them.
    """
    values = values.double()
    if scaling == "none":
        return Scaler(mean=torch.zeros_like(values[0]), scale=torch.ones_like(values[0]))
    # Not "deviation is 0": rounding in the mean gives a constant column a tiny deviation.
    constant = (values == values[0]).all(dim=0)
    if constant.any():
        columns = ", ".join(str(i) for i in constant.nonzero().flatten().tolist())
        measure = "standard deviation" if scaling == "standard" else "range"
        warnings.warn(
            f"{name}: constant on the train part in column(s) {columns}, counted from 0; scaled "
            f"by 1 instead of the {measure}. Leave them out if they carry nothing",
            DeepNRCWarning,
            stacklevel=3,
        )
    if scaling == "minmax":
        low, high = values.aminmax(dim=0)
        return Scaler(mean=low, scale=torch.where(constant, 1.0, high - low))
    # A constant column's own value is its exact mean, so that it becomes exactly 0.
    mean = torch.where(constant, values[0], values.mean(dim=0))
    deviation = (values - mean).square().mean(dim=0).sqrt()
    return Scaler(mean=mean, scale=torch.where(constant, 1.0, deviation))


def check_matrix(name: str, values: Tensor) -> None:
    """Refuse what is not a matrix of finite floating-point numbers.

    Raises:
        ArgumentError: if the shape or type is wrong.
        NonFiniteError: if it holds NaN or infinity.
    """
    if values.ndim != 2 or not values.is_floating_point():
        raise ArgumentError(
            f"{name}: expected a floating-point matrix (rows, columns), got shape "
            f"{tuple(values.shape)} of {values.dtype}; reshape or convert it first"
        )
    finite = values.isfinite().all(dim=0)
    if not finite.all():
        columns = ", ".join(str(i) for i in (~finite).nonzero().flatten().tolist())
        raise NonFiniteError(
            f"{name}: expected finite numbers, got NaN or infinity in column(s) {columns}, counted "
            "from 0; remove or fill those rows first"
        )
