"""Numbers, aligned lines and matrices as the records of the theory print them."""

import math

from torch import Tensor

__all__ = ["aligned", "fit_lines", "long", "matrix_lines", "short"]


def short(value: float) -> str:
    """Four significant digits; ``–`` for NaN."""
    return "–" if math.isnan(value) else f"{value:.4g}"


def long(value: float) -> str:
    """Ten significant digits; ``–`` for NaN."""
    return "–" if math.isnan(value) else f"{value:.10g}"


def aligned(*lines: tuple[str, float, str]) -> list[str]:
    """Name, value and note of each line in columns."""
    names = max(len(name) for name, _, _ in lines)
    values = max(len(long(value)) for _, value, _ in lines)
    return [
        f"{name:<{names}}  {long(value):>{values}}  {note}".rstrip() for name, value, note in lines
    ]


def fit_lines(
    loss: float, mse: float, t: int, r2: float, *more: tuple[str, float, str], reason: str = ""
) -> list[str]:
    """How well an optimum fits t targets: loss, training error, R² or why it is undefined."""
    return aligned(
        ("loss L*", loss, ""),
        ("training error", mse, f"summed over targets; MSELoss {long(mse / t)}"),
        ("R²", r2, reason),
        *more,
    )


def matrix_lines(matrix: Tensor, *, digits: int = 6) -> list[str]:
    """One line for each row, entries aligned to the right; ``–`` for NaN."""
    cells = [
        ["–" if math.isnan(value) else f"{value + 0.0:.{digits}f}" for value in row]
        for row in matrix.tolist()
    ]
    width = max(len(cell) for row in cells for cell in row)
    return ["  " + "  ".join(cell.rjust(width) for cell in row) for row in cells]
