"""Which experiments can be trained at once, as one ensemble."""

import itertools
from collections.abc import Sequence

from deepnrc.errors import ArgumentError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.members import OWN_KEYS

__all__ = ["MEMBER_KEYS", "ensemble_groups"]

MEMBER_KEYS = OWN_KEYS - {"device"}
"""Keys of the training table in which the runs of an ensemble may differ; they share a device."""


def ensemble_groups(configs: Sequence[ExperimentConfig], size: int) -> list[list[int]]:
    """Group experiments that differ only in seed, learning rate, its schedule and weight decay.

    Networks other than MLPs, and experiments with a compiled loss, are trained alone.

    Args:
        configs: The experiments.
        size: Maximal number in a group; experiments that go together are spread evenly.

    Returns:
        Positions in ``configs``, each in one group; groups and their members in the given order.

    Raises:
        ArgumentError: ``size`` is below 1.
    """
    if size < 1:
        raise ArgumentError(
            f"together must be at least 1, the number of runs that are trained at once; got {size}"
        )
    alike: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        alone = config.training.compile or config.model.kind != "mlp"
        alike.setdefault(f"alone {number}" if alone else _common(config), []).append(number)
    return sorted(part for numbers in alike.values() for part in _evenly(numbers, size))


def _common(config: ExperimentConfig) -> str:
    """What the experiments of a group have in common, as text."""
    return config.model_dump_json(exclude={"seed": True, "training": set(MEMBER_KEYS)})


def _evenly(numbers: Sequence[int], size: int) -> list[list[int]]:
    count = -(-len(numbers) // size)
    ends = [len(numbers) * part // count for part in range(count + 1)]
    return [list(numbers[a:b]) for a, b in itertools.pairwise(ends)]
