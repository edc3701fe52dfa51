"""Named columns of a table as a matrix of finite numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from deepnrc.errors import DataError, NonFiniteError
from deepnrc.support.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_matrix"]


def column_matrix(frame: "pd.DataFrame", names: Sequence[str], *, path: Path) -> Tensor:
    """The columns of these names, rows × names, float64.

    Args:
        frame: A table.
        names: The columns, in this order.
        path: The file that the table comes from, for messages.

    Raises:
        DataError: A column is missing or holds something other than numbers, or there are no rows.
        NonFiniteError: A column holds NaN or infinity.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    if len(frame) == 0:
        raise DataError(f"{path} must have rows of numbers; got none: check that it is complete")
    for name in names:
        if name not in frame.columns:
            raise DataError(_missing(name, [str(column) for column in frame.columns], path))
        if not pd.api.types.is_numeric_dtype(frame[name]):
            text = pd.to_numeric(frame[name], errors="coerce").isna() & frame[name].notna()
            row = int(np.flatnonzero(text.to_numpy())[0]) if text.any() else 0
            raise DataError(
                f"{path}: column '{name}' must hold numbers; got {frame[name].iloc[row]!r} in row "
                f"{row}, counted from 0: correct the file or choose other columns"
            )
    values = frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)
    broken = ~np.isfinite(values)
    if broken.any():
        rows = np.flatnonzero(broken.any(axis=1))
        column = int(np.flatnonzero(broken[rows[0]])[0])
        raise NonFiniteError(
            f"{path}: column '{names[column]}' must be finite; got {values[rows[0], column]} in "
            f"row {rows[0]}, counted from 0 ({len(rows)} such rows): remove or fill them",
            row=int(rows[0]),
        )
    return torch.from_numpy(values.copy())  # pandas may return memory that it still uses


def _missing(name: str, columns: list[str], path: Path) -> str:
    shown = ", ".join(repr(column) for column in columns[:20])
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return f"{path} has no column '{name}': {did_you_mean(name, columns)}Its columns: {shown}{more}"
