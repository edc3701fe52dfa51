"""Data sets: synthetic teachers and imitation; each with the truth or provenance it comes with."""

from deepnrc.data.imitation import ImitationData, build_reacher, load_reacher, save_reacher
from deepnrc.data.splits import Scaler, Splits, split_and_standardize
from deepnrc.data.synthetic import SyntheticData, linear_teacher, nonlinear_teacher

__all__ = [
    "ImitationData",
    "Scaler",
    "Splits",
    "SyntheticData",
    "build_reacher",
    "linear_teacher",
    "load_reacher",
    "nonlinear_teacher",
    "save_reacher",
    "split_and_standardize",
]
