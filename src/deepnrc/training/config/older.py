"""Configurations of run folders that older versions wrote: what they meant by keys they lack."""

from collections.abc import Mapping
from typing import Any

from deepnrc.training.config.differences import differences
from deepnrc.training.config.experiment import ExperimentConfig
from deepnrc.training.config.file import plain_config

__all__ = ["as_meant", "changes", "with_rcond"]

_RCOND_BEFORE = 1e-3  # where there is no measure.rcond: NRC4 had the paper's cut-off


def as_meant(stored: ExperimentConfig) -> ExperimentConfig:
    """The configuration of a run's folder, its missing keys as they were meant."""
    if "rcond" in stored.measure.model_fields_set:
        return stored
    return with_rcond(stored, _RCOND_BEFORE)


def changes(stored: Mapping[str, Any], config: ExperimentConfig) -> list[str]:
    """Lines "key: stored, now new" for each key in which a run's configuration and another differ.

    One without ``measure.rcond`` matches both what it meant and today's default, which the file
    that it was made from now has.
    """
    measure = stored.get("measure", {})
    if "rcond" not in measure:
        stored = {**stored, "measure": {**measure, "rcond": _RCOND_BEFORE}}
        if config.measure.rcond == 0.0:
            config = with_rcond(config, _RCOND_BEFORE)
    return differences(stored, plain_config(config))


def with_rcond(config: ExperimentConfig, rcond: float) -> ExperimentConfig:
    """The configuration with another cut-off of NRC4."""
    measure = config.measure.model_copy(update={"rcond": rcond})
    return config.model_copy(update={"measure": measure})
