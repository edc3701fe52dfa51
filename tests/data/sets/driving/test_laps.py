"""Laps in CarRacing: what is cut from the picture, disturbed and driven."""

import contextlib
import math

import numpy as np
import pytest

from deepnrc.data.sets.driving import laps
from deepnrc.data.sets.driving.laps import crop, play_lap
from deepnrc.data.sets.driving.pure_pursuit import Command

HALF_ROAD = 40 / 6  # m, the environment's TRACK_WIDTH


def first(count, lap):
    """The first frames of a lap, which is then given up."""
    with contextlib.closing(lap) as frames:
        return [frame for frame, _ in zip(frames, range(count), strict=False)]


@pytest.fixture(scope="module")
def lap():
    """The first 120 frames of a lap with disturbances: 12 s."""
    return first(120, play_lap(seed=0, lap=0))


@pytest.fixture
def game():
    """A reset environment."""
    module, _ = laps.simulator()
    with contextlib.closing(module.make("CarRacing-v3", disable_env_checker=True)) as environment:
        environment.reset(seed=1)
        yield environment.unwrapped


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
    other = laps.simulator()[0].make("CarRacing-v3", disable_env_checker=True)
    with contextlib.closing(other):
        other.reset(seed=1)
        for step in range(60):
            action = np.array([0.3 * math.sin(step / 9), 0.4, 0.1 * (step % 3)], dtype=np.float32)
            laps._advance(game, action)
            picture = other.step(action)[0]
        twin = other.unwrapped
        assert laps._pose(game) == laps._pose(twin)
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
    monkeypatch.setattr(laps, "drive", lambda *args, **options: Command(-0.4, 0.3, 0.0))
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
