"""How many eigenvalues hold a given share of their sum: plain floats, no tensors."""

import math
from collections.abc import Sequence

__all__ = ["energy_rank"]


def energy_rank(eigenvalues: Sequence[float], share: float = 0.99) -> int | None:
    """Smallest r for which the r largest eigenvalues hold a given share of the energy.

    Args:
        eigenvalues: Non-negative, in descending order.
        share: Of their sum, in (0, 1].

    Returns:
        From 1 to the number of eigenvalues; None if their sum is 0.

    Example:
        >>> energy_rank([3.0, 1.0, 0.0], 0.75)
        1
    """
    total = math.fsum(eigenvalues)
    if total <= 0.0:
        return None
    needed = (share - 1e-12) * total  # an exact tie must not depend on the last bit of a sum
    held = 0.0
    for rank, value in enumerate(eigenvalues, start=1):
        held += value
        if held >= needed:
            return rank
    return len(eigenvalues)
