"""One run: the data, network, training and measurements of a TOML file, each value checked."""

from typing import Any

from pydantic import NonNegativeInt, SerializeAsAny, field_validator, model_validator

from deepnrc.training.config.data import DataConfig
from deepnrc.training.config.measure import MeasureConfig
from deepnrc.training.config.model import MLPConfig, ModelConfig, of_its_kind
from deepnrc.training.config.table import Table
from deepnrc.training.config.training import TrainingConfig

__all__ = ["ExperimentConfig"]


class ExperimentConfig(Table):
    """One run.

    Attributes:
        name: Of the experiment; its folder is ``runs/NAME`` by default.
        seed: Of the initial weights and the order of the samples.
        data: The data set.
        model: The network.
        training: How it is trained.
        measure: What is measured during training.
    """

    name: str
    seed: NonNegativeInt = 0
    data: DataConfig
    model: SerializeAsAny[ModelConfig] = MLPConfig()
    training: TrainingConfig
    measure: MeasureConfig = MeasureConfig()

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any) -> Any:
        return of_its_kind(value)

    @model_validator(mode="after")
    def _measured_epochs_exist(self) -> "ExperimentConfig":
        last = max(self.measure.epochs or [0])
        if last > self.training.epochs:
            raise ValueError(
                f"measure.epochs goes up to {last}, but training.epochs is {self.training.epochs}"
            )
        return self
