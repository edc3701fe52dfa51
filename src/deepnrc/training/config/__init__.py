"""The configuration of an experiment: one class for each table of its TOML file."""

from deepnrc.training.config.data import DataConfig
from deepnrc.training.config.experiment import ExperimentConfig
from deepnrc.training.config.measure import MeasureConfig
from deepnrc.training.config.model import MLPConfig, ModelConfig, ResNetConfig
from deepnrc.training.config.training import TrainingConfig

__all__ = [
    "DataConfig",
    "ExperimentConfig",
    "MLPConfig",
    "MeasureConfig",
    "ModelConfig",
    "ResNetConfig",
    "TrainingConfig",
]
