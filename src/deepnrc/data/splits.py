"""The train and test part of a data set, drawn at random, and batches of their rows."""

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from deepnrc.data.access.images import read_ahead
from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError

__all__ = ["Part", "PartLoader", "split_rows"]


@dataclass(frozen=True, eq=False)
class Part(TorchDataset[tuple[Tensor, Tensor]]):
    """The rows of one side of a split, float32; row i of inputs and targets belong together.

    A data set of torch: `DataLoader` takes it, as does everything else that reads pairs of input
    and target by their number.

    Attributes:
        inputs: n × d, or images that are read from disk when they are needed.
        targets: n × t.
    """

    inputs: Tensor | ImageRows
    targets: Float[Tensor, "n t"]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets)

    def __getitem__(self, row: SupportsIndex) -> tuple[Tensor, Tensor]:
        """Input and target of one row; −1 is the last."""
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[tuple[Tensor, Tensor]]:
        """Input and target of several rows, which are read at once; `DataLoader` calls it."""
        n, numbers = len(self), [operator.index(row) for row in rows]
        for number in numbers:
            if not -n <= number < n:  # an IndexError also ends Python's loop over the rows
                raise IndexError(f"row must be from 0 to {n - 1}, as there are {n}; got {number}")
        chosen = torch.tensor([number % n for number in numbers], dtype=torch.int64)
        return list(zip(self.inputs[chosen], self.targets[chosen], strict=True))

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


def split_rows(
    n: int, *, test_fraction: float, split_seed: int, copies: Int[Tensor, " n"] | None = None
) -> tuple[Tensor, Tensor]:
    """Row numbers of the train and of the test part, drawn at random without replacement.

    Args:
        n: Number of rows.
        test_fraction: Share of rows for the test part, in (0, 1), rounded to whole rows.
        split_seed: Seed of the permutation; the global generator is not touched.
        copies: A number a row; rows of one number are copies and come into the same part, so that
            the test part may be larger than asked for. None: there are none.

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
    if copies is None:
        return order[n_test:], order[:n_test]
    drawn = _with_copies(copies[order], n_test)
    if bool(drawn.all()):
        raise ArgumentError(
            f"test_fraction must leave rows for both parts; got {test_fraction} of {n} rows, of "
            f"which only {len(set(copies.tolist()))} are no copies of others: remove copies or "
            "choose another fraction"
        )
    return order[~drawn], order[drawn]


def _with_copies(copies: Tensor, wanted: int) -> Tensor:
    """Which rows to draw for the test part: from the first on, each with its copies."""
    sizes = Counter(copies.tolist())
    drawn: set[int] = set()
    count = 0
    for number in copies.tolist():
        if count >= wanted:
            break
        if number not in drawn:
            drawn.add(number)
            count += sizes[number]
    return torch.isin(copies, torch.tensor(sorted(drawn)))
