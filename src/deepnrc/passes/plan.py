"""What a pass will measure and hold, said before it starts."""

from collections.abc import Iterable, Sequence

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
    statistics: Iterable[Statistic],
    target_dim: int,
) -> str:
    """Layers, bytes, and what is left out and why, a line each."""
    size = state_bound(layers, statistics, target_dim)
    text = (
        f"measuring {_counted(len(layers), 'layer')} against "
        f"{_counted(target_dim, 'target dimension')}; "
        f"at most {size / 2**20:.1f} MiB of state, whatever the number of samples"
    )
    return "\n".join([text, *(f"  leaving out {x.name}: {x.reason}" for x in skipped)])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
