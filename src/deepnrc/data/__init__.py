"""Data sets by name: `load` gives a split and scaled set with its provenance."""

from deepnrc.data.access.download import fetch
from deepnrc.data.access.store import build, built_sets
from deepnrc.data.dataset import Dataset
from deepnrc.data.loading import load, load_raw
from deepnrc.data.registry import dataset_names, find_source, register, unregister
from deepnrc.data.scaling import Scaler
from deepnrc.data.sets.synthetic import SyntheticData, linear_teacher, nonlinear_teacher
from deepnrc.data.sets.torch_dataset import from_dataset
from deepnrc.data.source import BuildRequest, Download, ImageRows, RawData, Source, Truth
from deepnrc.data.splits import Part

__all__ = [
    "BuildRequest",
    "Dataset",
    "Download",
    "ImageRows",
    "Part",
    "RawData",
    "Scaler",
    "Source",
    "SyntheticData",
    "Truth",
    "build",
    "built_sets",
    "dataset_names",
    "fetch",
    "find_source",
    "from_dataset",
    "linear_teacher",
    "load",
    "load_raw",
    "nonlinear_teacher",
    "register",
    "unregister",
]
