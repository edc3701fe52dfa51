import h5py
import numpy as np
import pytest
import torch

from deepnrc.data.registry import find_source
from deepnrc.data.sets.driving.sources import CARLA1D, CARLA2D, CARRACING
from deepnrc.data.source import BuildRequest

SOURCES = (CARLA2D, CARLA1D, CARRACING)


def test_the_three_sets_by_name():
    assert all(find_source(source.name) is source for source in SOURCES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_targets_are_scaled_to_minimum_0_and_maximum_1(source):
    assert source.standardize
    assert source.scaling == "minmax"
    assert source.extra == "driving"
    assert source.targets in (("steering", "speed"), ("speed",))


@pytest.mark.parametrize("name", ["carla2d", "carla1d"])
def test_the_real_sets_read_their_files(tmp_path, name):
    with h5py.File(tmp_path / "data_03663.h5", "x") as file:
        file.create_dataset("rgb", data=np.zeros((2, 88, 200, 3), dtype=np.uint8))
        values = np.arange(56, dtype=np.float32).reshape(2, 28)
        file.create_dataset("targets", data=values)
    source = find_source(name)
    raw = source.read_real(tmp_path)
    assert raw.target_names == source.targets
    assert raw.provenance["data"] == name
    assert raw.targets.tolist() == {"carla2d": [[0, 10], [28, 38]], "carla1d": [[10], [38]]}[name]


def test_carracing_is_built_and_read(tmp_path):
    source = find_source("carracing")
    source.build(tmp_path / "set", BuildRequest(2, seed=1))
    raw = source.read_built(tmp_path / "set")
    assert raw.target_names == source.targets
    assert raw.provenance["data"] == source.name
    assert torch.isfinite(raw.targets).all()
    assert list(source.options) == ["speed_only"]
    assert source.read_built(tmp_path / "set", speed_only=True).target_names == ("speed",)
