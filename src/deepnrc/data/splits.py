"""The train and test part of a data set, drawn at random, and batches of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.access.images import read_ahead
from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError

__all__ = ["Part", "PartLoader", "split_rows"]


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one side of a split, float32; row i of inputs and targets belong together.

    Attributes:
        inputs: n × d, or images that are read from disk when they are needed.
        targets: n × t.
    """

    inputs: Tensor | ImageRows
    targets: Float[Tensor, "n t"]

    def loader(
        self, batch_size: int = 128, *, shuffle: bool = False, seed: int = 0
    ) -> "PartLoader":
        """Batches of (inputs, targets), the same in every pass.

        For another order in each epoch use one loader per epoch, each with its own seed. Then a
        resumed run needs to know only the number of its epoch.

        Args:
            batch_size: Rows per batch, at least 1; the last batch may be shorter.
            shuffle: Whether rows are permuted.
            seed: Of the permutation; the global generator is not touched.

        Raises:
            ArgumentError: `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1; got {batch_size}")
        return PartLoader(self, batch_size, shuffle, seed)


@dataclass(frozen=True, eq=False)
class PartLoader:
    """An iterable of (inputs, targets); images are read one batch ahead.

    Attributes:
        part: The rows.
        batch_size: Rows per batch; the last may be shorter.
        shuffle: Whether rows are permuted.
        seed: Of the permutation.
    """

    part: Part
    batch_size: int
    shuffle: bool
    seed: int

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.part.targets) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass."""
        n = len(self.part.targets)
        order = (
            torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
            if self.shuffle
            else torch.arange(n)
        )
        for rows, inputs in read_ahead(self.part.inputs, torch.split(order, self.batch_size)):
            yield inputs, self.part.targets[rows]


def split_rows(n: int, *, test_fraction: float, split_seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers of the train and of the test part, drawn at random without replacement.

    Args:
        n: Number of rows.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        split_seed: Seed of the permutation; the global generator is not touched.

    Raises:
        ArgumentError: A part would have no rows.
    """
    n_test = round(n * test_fraction) if 0 < test_fraction < 1 else 0
    if not 0 < n_test < n:
        raise ArgumentError(
            f"test_fraction must be in (0, 1) and leave rows for both parts of {n}; got "
            f"{test_fraction}: choose another fraction or pass more rows"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(split_seed))
    return order[n_test:], order[:n_test]
