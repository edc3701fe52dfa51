"""Data sets: by name with `load`, each with what it was made from."""

from deepnrc.data.access.download import fetch
from deepnrc.data.access.store import build, built_sets
from deepnrc.data.dataset import Dataset
from deepnrc.data.loading import load, load_raw
from deepnrc.data.registry import dataset_names, find_source
from deepnrc.data.sets.imitation.reacher import (
    ImitationData,
    build_reacher,
    load_reacher,
    save_reacher,
)
from deepnrc.data.sets.synthetic import SyntheticData, linear_teacher, nonlinear_teacher
from deepnrc.data.sets.torch_dataset import from_dataset
from deepnrc.data.source import ImageRows, RawData, Source, Truth
from deepnrc.data.splits import Part, Scaler, Splits, split_and_standardize

__all__ = [
    "Dataset",
    "ImageRows",
    "ImitationData",
    "Part",
    "RawData",
    "Scaler",
    "Source",
    "Splits",
    "SyntheticData",
    "Truth",
    "build",
    "build_reacher",
    "built_sets",
    "dataset_names",
    "fetch",
    "find_source",
    "from_dataset",
    "linear_teacher",
    "load",
    "load_raw",
    "load_reacher",
    "nonlinear_teacher",
    "save_reacher",
    "split_and_standardize",
]
