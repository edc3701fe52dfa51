"""A table of a file: which columns it has, and how the numbers of some of them are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepnrc.errors import DataError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["Rows", "Table", "no_such_column", "twice"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of numbers.

    Attributes:
        values: (n, columns), float64; NaN is a missing value.
        place: Where the row of this number is in the file: ``"line 7"``.
        facts: What happened on reading, for the provenance.
    """

    values: npt.NDArray[np.float64]
    place: Callable[[int], str]
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a file, of which none is read yet.

    Attributes:
        path: The file.
        columns: Their names, in the file's order; those to be left out are not among them.
        groups: The columns that an array with several of them became, by its name.
        doubtful: Columns that must not become inputs unless they are named, and why.
        read: Columns by their names.
    """

    path: Path
    columns: tuple[str, ...]
    groups: Mapping[str, Sequence[str]]
    doubtful: Mapping[str, str]
    read: Callable[[Sequence[str]], Rows]


def no_such_column(path: Path, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there."""
    shown = ", ".join(repr(column) for column in columns[:20])
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    nearest = did_you_mean(name, columns)
    return DataError(f"{path} has no column '{name}': {nearest}Its columns: {shown}{more}")


def twice(path: Path, names: Sequence[str]) -> None:
    """Require different names.

    Raises:
        DataError: Two columns have one name; the message has both their places.
    """
    first: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name and name in first:
            raise DataError(
                f"{path}: columns must have different names; got {name!r} twice, in columns "
                f"{first[name]} and {place}: rename one of them, because a target may stand among "
                "the inputs under its own name"
            )
        first[name] = place
