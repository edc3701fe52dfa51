import json
import os
import subprocess
import sys

import gymnasium
import h5py
import numpy as np
import pytest
import torch

from data.sets.driving.test_laps import HALF_ROAD, first
from deepnrc.data.sets.driving import carracing, laps
from deepnrc.data.sets.driving.carracing import build_carracing, read_carracing
from deepnrc.data.sets.driving.laps import play_lap
from deepnrc.data.source import BuildRequest
from deepnrc.errors import ArgumentError, FileError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 frames with seed 3."""
    path = tmp_path_factory.mktemp("built") / "set"
    build_carracing(path, BuildRequest(40, seed=3))
    return path


@pytest.fixture(scope="module")
def driven():
    """The frames that `folder` holds, driven again."""
    return first(40, play_lap(seed=3, lap=0))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_read(folder):
    raw = read_carracing(folder)
    assert raw.inputs.shape == (40, 3, 84, 96)
    assert raw.targets.shape == (40, 2)
    assert raw.targets.dtype == torch.float32
    assert raw.target_names == ("steering", "speed")
    assert raw.input_names == ("image",)
    assert raw.targets[:, 0].abs().max() <= 0.4
    assert 10 < raw.targets[:, 1].min() < raw.targets[:, 1].max() < 45
    assert raw.targets.std(dim=0).min() > 0.01


def test_images_and_targets_are_those_of_the_lap(folder, driven):
    raw = read_carracing(folder)
    assert np.array_equal(
        raw.inputs.read(torch.arange(40)), np.stack([frame.image for frame in driven])
    )
    targets = np.float32([[frame.command.steering, frame.pose.speed] for frame in driven])
    assert np.array_equal(raw.targets.numpy(), targets)


def test_speed_only(folder):
    one = read_carracing(str(folder), speed_only=True)
    assert one.target_names == ("speed",)
    assert torch.equal(one.targets, read_carracing(folder).targets[:, 1:])


def test_provenance(folder):
    said = dict(read_carracing(folder).provenance)
    assert said.pop("made_from") == (
        "40 frames of gymnasium's CarRacing-v3, driven by pure pursuit on 1 tracks (seed 3)"
    )
    assert said.pop("driver").startswith("pure pursuit of the center line, 15 m ahead")
    assert 0 < said.pop("farthest_off_center_m") < HALF_ROAD
    assert 0 < said.pop("disturbed_share") < 1
    assert said.pop("box2d")
    assert said.pop("pygame")
    assert said == {
        "data": "carracing",
        "image_values": "bytes divided by 255",
        "environment": "CarRacing-v3",
        "gymnasium": gymnasium.__version__,
        "seed": 3,
        "samples": 40,
        "frames_per_second": 10.0,
        "laps": 1,
    }


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    build_carracing(tmp_path / "again", BuildRequest(40, seed=3))
    assert content(tmp_path / "again") == content(folder)


def test_another_seed_gives_another_track(folder, tmp_path):
    build_carracing(tmp_path / "other", BuildRequest(10, seed=4))
    other = read_carracing(tmp_path / "other")
    assert not torch.equal(other.targets, read_carracing(folder).targets[:10])


def test_files_and_laps_go_on_where_the_last_ended(tmp_path, monkeypatch):
    """Files of 5 frames, laps that end after 6: the frames are those of the laps in turn."""
    monkeypatch.setattr(carracing, "FRAMES_PER_FILE", 5)
    monkeypatch.setattr(laps, "LAST_STEP", 90)
    said = []
    build_carracing(tmp_path / "set", BuildRequest(16, say=said.append))
    raw = read_carracing(tmp_path / "set")
    driven = [list(play_lap(seed=0, lap=lap)) for lap in range(3)]
    assert [len(lap) for lap in driven] == [6, 6, 6]  # steps 60, 65, … 85
    assert driven[0][0].pose != driven[1][0].pose != driven[2][0].pose  # other tracks
    speeds = [frame.pose.speed for lap in driven for frame in lap]
    assert np.array_equal(raw.targets[:, 1].numpy(), np.float32(speeds[:16]))
    assert raw.provenance["laps"] == 3
    assert sorted(content(tmp_path / "set")) == [
        "build.json",
        *(f"data_{number:05d}.h5" for number in range(4)),
    ]
    assert said[1] == "carracing: 10 of 16 frames, track 2"
    assert said[-1] == "carracing: 16 of 16 frames, track 3"


def test_the_layout_is_that_of_carlas_files(folder, driven):
    with h5py.File(folder / "data_00000.h5") as file:
        assert sorted(file) == ["rgb", "targets"]
        assert file["rgb"].dtype == np.uint8
        assert file["rgb"].chunks == (1, 84, 96, 3)
        assert file["targets"].shape == (40, 28)
        assert file["targets"].dtype == np.float32
        targets = file["targets"][()]
    for row, frame in zip(targets, driven, strict=True):
        written = {0: frame.command.steering, 1: frame.command.gas, 2: frame.command.brake}
        written |= {5: frame.applied_steering, 8: frame.pose.x, 9: frame.pose.y}
        written |= {10: frame.pose.speed, 25: float(frame.disturbed)}
        expected = np.zeros(28, dtype=np.float32)
        expected[list(written)] = list(written.values())
        assert np.array_equal(row, expected)


def test_a_build_that_breaks_leaves_nothing(tmp_path):
    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_carracing(tmp_path / "set", BuildRequest(5, say=stop))
    assert not (tmp_path / "set").exists()


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(carracing, "write_file", full)
    with pytest.raises(FileError, match=r"set cannot be written .*No space left.*: free disk"):
        build_carracing(tmp_path / "set", BuildRequest(5))
    assert not (tmp_path / "set").exists()


def test_a_folder_that_is_there_is_not_touched(folder):
    before = content(folder)
    with pytest.raises(FileError, match=r"set cannot be made .*: pass a folder that does"):
        build_carracing(folder, BuildRequest(5))
    assert content(folder) == before


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_folder_that_is_not_whole(tmp_path, text):
    if text is not None:
        (tmp_path / "build.json").write_text(text)
    with pytest.raises(FileError, match=r"build\.json cannot be read .*interrupted; build it ag"):
        read_carracing(tmp_path)


def test_a_folder_without_frames(tmp_path):
    (tmp_path / "build.json").write_text(json.dumps({"seed": 0}))
    with pytest.raises(
        FileError, match=r"must hold HDF5 files \(\*\.h5\); got none: build it again"
    ):
        read_carracing(tmp_path)


@pytest.mark.parametrize("missing", ["Box2D", "gymnasium", "pygame"])
def test_without_the_simulator(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        ArgumentError,
        match=rf"CarRacing-v3 needs {missing}, .*: run `pip install 'deepnrc\[driving\]'`",
    ):
        build_carracing(tmp_path / "set", BuildRequest(5))
    assert not (tmp_path / "set").exists()


def test_reading_needs_no_simulator_and_playing_makes_no_noise(folder):
    """In a process of its own where warnings are errors, which crash Box2D's import otherwise."""
    code = f"""
import sys
from deepnrc.data.sets.driving.carracing import play_lap, read_carracing
read_carracing({str(folder)!r})
assert "gymnasium" not in sys.modules and "Box2D" not in sys.modules
next(play_lap(seed=0, lap=0)).image.mean()
assert "Box2D" in sys.modules
"""
    quiet = "PYGAME_HIDE_SUPPORT_PROMPT"  # set in this process as soon as gymnasium is imported
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != quiet},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
