import builtins
import contextlib
import json
import math
import os
import subprocess
import sys

import gymnasium
import h5py
import numpy as np
import pytest
import torch

from deepnrc.data.sets import carracing
from deepnrc.data.sets.carracing import build_carracing, crop, play_lap, read_carracing
from deepnrc.data.source import BuildRequest
from deepnrc.errors import ArgumentError, DeepNRCError, FileError

HALF_ROAD = 40 / 6  # m, the environment's TRACK_WIDTH


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 frames with seed 3."""
    path = tmp_path_factory.mktemp("built") / "set"
    build_carracing(path, BuildRequest(40, seed=3))
    return path


@pytest.fixture(scope="module")
def lap():
    """The first 120 frames of a lap with disturbances: 12 s."""
    return first(120, play_lap(seed=0, lap=0))


@pytest.fixture(scope="module")
def driven():
    """The frames that `folder` holds, driven again."""
    return first(40, play_lap(seed=3, lap=0))


@pytest.fixture
def game():
    """A reset environment."""
    module = carracing._gymnasium()
    with contextlib.closing(module.make("CarRacing-v3", disable_env_checker=True)) as environment:
        environment.reset(seed=1)
        yield environment.unwrapped


def first(count, lap):
    """The first frames of a lap, which is then given up."""
    with contextlib.closing(lap) as frames:
        return [frame for frame, _ in zip(frames, range(count), strict=False)]


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
    monkeypatch.setattr(carracing, "LAST_STEP", 90)
    said = []
    build_carracing(tmp_path / "set", BuildRequest(16, say=said.append))
    raw = read_carracing(tmp_path / "set")
    laps = [list(play_lap(seed=0, lap=lap)) for lap in range(3)]
    assert [len(lap) for lap in laps] == [6, 6, 6]  # steps 60, 65, … 85
    assert laps[0][0].pose != laps[1][0].pose != laps[2][0].pose  # other tracks
    speeds = [frame.pose.speed for lap in laps for frame in lap]
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


def test_the_bar_of_instruments_is_cut_off_whole(game):
    """The same place and picture with other speeds, wheel speeds, steering and turn rate."""
    still = game._render("state_pixels")
    game.car.hull.linearVelocity = (40, 30)
    game.car.hull.angularVelocity = 3
    for wheel in game.car.wheels:
        wheel.omega = 60
    game.reward = 873.0
    moving = game._render("state_pixels")
    assert (still != moving).any(axis=(1, 2))[84:].any()  # the bar shows it,
    assert np.array_equal(crop(still), crop(moving))  # and the picture does not
    assert crop(still).shape == (84, 96, 3)
    # Nothing else is lost: the black of the bar begins right below.
    assert (still[84, :3] == 0).all()
    assert (still[83, :3] != 0).any()


def test_steps_without_a_picture_are_the_environments_own(game):
    """Bit for bit: the same actions with and without rendering end at the same place."""
    other = carracing._gymnasium().make("CarRacing-v3", disable_env_checker=True)
    with contextlib.closing(other):
        other.reset(seed=1)
        for step in range(60):
            action = np.array([0.3 * math.sin(step / 9), 0.4, 0.1 * (step % 3)], dtype=np.float32)
            carracing._advance(game, action)
            picture = other.step(action)[0]
        twin = other.unwrapped
        assert carracing._pose(game) == carracing._pose(twin)
        assert game.car.hull.angularVelocity == twin.car.hull.angularVelocity
        assert game.tile_visited_count == twin.tile_visited_count > 5
        assert game.t == twin.t
        # The bar shows the reward, which only the environment's own step counts.
        assert np.array_equal(crop(game._render("state_pixels")), crop(picture))


def test_the_stored_steering_is_the_drivers_and_not_the_pushed_one(lap):
    pushed = np.array([frame.disturbed for frame in lap])
    wanted = np.array([frame.command.steering for frame in lap])
    applied = np.array([frame.applied_steering for frame in lap])
    assert 0.1 < pushed.mean() < 0.5
    assert np.array_equal(wanted[~pushed].astype(np.float32), applied[~pushed].astype(np.float32))
    pushes = (applied - wanted)[pushed]
    assert np.abs(pushes).min() > 1e-3  # the least of a triangle of 50 steps to 0.1 is 4e-3
    assert np.abs(pushes).max() <= 0.25 + 1e-6  # the wheels' command is rounded to float32
    assert {-1, 1} == set(np.sign(pushes))


def test_the_driver_steers_against_a_push(lap):
    """Two laps on one track: the push moves the car to its side, the driver's answer is away."""
    alone = first(60, play_lap(seed=0, lap=0, disturb=False))
    start = next(i for i, frame in enumerate(lap) if frame.disturbed)
    side = np.sign(lap[start].applied_steering - lap[start].command.steering)
    answers = [
        side * (lap[i].command.steering - alone[i].command.steering)
        for i in range(start, start + 10)
    ]
    assert min(answers) < -0.01


def test_the_car_stays_on_the_road_though_pushed(lap):
    offsets = np.array([frame.offset for frame in lap])
    assert offsets.max() < HALF_ROAD
    assert offsets.mean() > 0.3  # it is indeed pushed


def test_a_lap_is_given_up_far_off_the_road(monkeypatch):
    monkeypatch.setattr(
        carracing, "drive", lambda *args, **options: carracing.Command(-0.4, 0.3, 0.0)
    )
    frames = list(play_lap(seed=0, lap=0, disturb=False))
    assert len(frames) < 100
    assert all(frame.offset <= 13 for frame in frames)


@pytest.mark.slow
@pytest.mark.parametrize("lap_number", [0, 1])
def test_a_whole_lap_without_pushes_keeps_to_the_road(lap_number):
    frames = list(play_lap(seed=7, lap=lap_number, disturb=False))
    assert len(frames) > 200  # to the finish, some 1000 m: less than 20 m short of the start
    start, end = frames[0].pose, frames[-1].pose
    assert math.dist((start.x, start.y), (end.x, end.y)) < 80
    offsets = np.array([frame.offset for frame in frames])
    assert offsets.max() < HALF_ROAD - 1.1  # with the car's half width to spare
    assert np.median(offsets) < 1.75  # half the distance of the line's points


def test_a_build_that_breaks_leaves_nothing(tmp_path):
    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_carracing(tmp_path / "set", BuildRequest(5, say=stop))
    assert not (tmp_path / "set").exists()


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(carracing, "write_drive", full)
    with pytest.raises(FileError, match=r"set cannot be written .*No space left.*free the disk"):
        build_carracing(tmp_path / "set", BuildRequest(5))
    assert not (tmp_path / "set").exists()


def test_a_folder_that_is_there_is_not_touched(folder):
    before = content(folder)
    with pytest.raises(FileError, match=r"set cannot be made .*pass a folder that does not exist"):
        build_carracing(folder, BuildRequest(5))
    assert content(folder) == before


@pytest.mark.parametrize(("samples", "seed"), [(0, 0), (1, -1)])
def test_requests_that_make_no_sense(tmp_path, samples, seed):
    with pytest.raises(
        ArgumentError,
        match=rf"samples and seed: expected at least 1 and 0, got {samples} and {seed}",
    ):
        build_carracing(tmp_path / "set", BuildRequest(samples, seed=seed))
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_folder_that_is_not_whole(tmp_path, text):
    if text is not None:
        (tmp_path / "build.json").write_text(text)
    with pytest.raises(FileError, match=r"build\.json cannot be read .*broken off: build it again"):
        read_carracing(tmp_path)


def test_a_folder_without_frames(tmp_path):
    (tmp_path / "build.json").write_text(json.dumps({"seed": 0}))
    with pytest.raises(
        FileError, match=r"expected HDF5 files \(\*\.h5\), got none; build it again"
    ):
        read_carracing(tmp_path)


@pytest.mark.parametrize("missing", ["Box2D", "gymnasium", "pygame"])
def test_without_the_simulator(tmp_path, monkeypatch, missing):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == missing:
            raise ImportError(f"No module named '{missing}'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        DeepNRCError,
        match=rf"playing CarRacing-v3 needs gymnasium with Box2D.*{missing}.*deepnrc\[driving\]",
    ):
        build_carracing(tmp_path / "set", BuildRequest(5))
    assert not (tmp_path / "set").exists()


def test_reading_needs_no_simulator_and_playing_makes_no_noise(folder):
    """In a process of its own where warnings are errors, which crash Box2D's import otherwise."""
    code = f"""
import sys
from deepnrc.data.sets.carracing import play_lap, read_carracing
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
