"""What a pass will measure and hold, said before it starts."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from deepnrc.activations.layers import Skipped, WeightLayer
from deepnrc.passes.statistic import Statistic

__all__ = ["plan_text", "state_bound"]


def state_bound(
    layers: Iterable[WeightLayer], statistics: Iterable[Statistic], target_dim: int
) -> int:
    """Bound in bytes of what the statistics hold, whatever the number of samples."""
    widths = [layer.feature_dim for layer in layers]
    return sum(statistic.nbytes(widths, target_dim) for statistic in statistics)


def plan_text(
    layers: Sequence[WeightLayer],
    skipped: Iterable[Skipped],
    statistics: Mapping[str, Iterable[Iterable[Statistic]]],
    target_dims: Mapping[str, int],
) -> str:
    """Layers, bytes, and what is left out and why, a line each.

    Args:
        layers: That are measured.
        skipped: Modules that are not.
        statistics: Of each pass, by head.
        target_dims: t of each head.
    """
    size = sum(
        state_bound(layers, itertools.chain(*statistics[head]), t)
        for head, t in target_dims.items()
    )
    against = "; ".join(
        f"{_counted(t, 'target dimension')}{f' of head {head!r}' if head else ''}"
        for head, t in target_dims.items()
    )
    text = (
        f"measuring {_counted(len(layers), 'layer')} against {against}; "
        f"at most {size / 2**20:.1f} MiB of state, whatever the number of samples"
    )
    return "\n".join(
        [text, *(f"  leaving out {x.name or 'the model itself'}: {x.reason}" for x in skipped)]
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
