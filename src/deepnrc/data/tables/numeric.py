"""Arrays of any type as float64; what float64 cannot hold is refused by name."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepnrc.data.tables.cells import COMPLEX, DATE, EXACT, INEXACT, TRUTH
from deepnrc.data.tables.options import ReadOptions
from deepnrc.errors import DataError

__all__ = ["TEXT", "as_numbers"]

TEXT = "no number: store numbers, or leave it out with inputs=[…] or index=…"


def as_numbers(
    values: npt.NDArray[np.generic], name: str, path: Path, options: ReadOptions
) -> npt.NDArray[np.float64]:
    """The values in float64, with NaN for a missing value.

    Args:
        values: Of any shape and type.
        name: Of the column or array, for messages.
        path: Of the file, for messages.
        options: Whether truth values are read, and which numbers stand for a missing value.

    Raises:
        DataError: They are no real numbers, or hold an integer that float64 cannot.
    """
    kind = values.dtype.kind
    advice = {"b": "" if options.booleans else TRUTH, "c": COMPLEX, "M": DATE, "m": DATE}
    problem = advice.get(kind, "" if kind in "fiu" else TEXT)
    if problem:
        raise DataError(f"{path}: '{name}' must hold real numbers; got {values.dtype}, {problem}")
    numbers: npt.NDArray[np.float64] = values.astype(np.float64)
    if kind in "iu" and values.dtype.itemsize == 8:
        # Compared as integers of Python: float64 has no type that holds both exactly.
        for place in np.argwhere(np.abs(numbers) >= EXACT):
            at = tuple(place.tolist())
            if int(values[at]) != int(numbers[at]):
                raise DataError(
                    f"{path}: '{name}' must hold numbers of float64; got {values[at]} in row "
                    f"{at[0] if at else 0}, counted from 0, {INEXACT}"
                )
    for number in options.na_numbers:
        numbers[numbers == number] = np.nan
    return numbers
