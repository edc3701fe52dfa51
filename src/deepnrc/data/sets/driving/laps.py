"""Drive laps in gymnasium's CarRacing with the pure-pursuit driver and record frames."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.sets.driving.pure_pursuit import (
    STEERING_LIMIT,
    CenterLine,
    Command,
    Pose,
    center_line,
    drive,
    nearest_point,
)
from deepnrc.support.optional import optional_import

__all__ = ["ENVIRONMENT", "FRAMES_PER_SECOND", "Frame", "crop", "play_lap", "simulator"]

ENVIRONMENT = "CarRacing-v3"
STEPS_PER_SECOND = 50
STEPS_PER_FRAME = 5
FRAMES_PER_SECOND = STEPS_PER_SECOND / STEPS_PER_FRAME  # ten, as in CARLA's files
FIRST_STEP = 60  # in the first second the camera zooms in and the car accelerates
LAST_STEP = 5000  # twice the longest lap; ends a lap of which too many tiles were missed
PICTURE_ROWS = 84  # of 96; the 12 below are the black bar with speed, steering and turn rate
FAR_OFF = 13.0  # m from the center line, the road's whole width: the lap is abandoned


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a lap.

    Attributes:
        image: (84, 96, 3), uint8, the camera image without the instrument bar.
        command: The driver's command at this moment; steering in rad, positive to the right.
        applied_steering: The steering of the wheels: the driver's plus the disturbance.
        pose: Position in m, heading in rad, speed in m/s.
        offset: Distance from the center line in m.
        disturbed: Whether a disturbance is active.
    """

    image: npt.NDArray[np.uint8]
    command: Command
    applied_steering: float
    pose: Pose
    offset: float
    disturbed: bool


def play_lap(*, seed: int, lap: int, disturb: bool = True) -> Iterator[Frame]:
    """Drive one track from start to finish, ten frames per second.

    The steps between frames are not rendered, because rendering takes nine tenths of the time.

    Args:
        seed: With `lap`, determines the track and the disturbances.
        lap: Counted from 0.
        disturb: Whether the steering is disturbed. A disturbance is a triangle, as in Codevilla et
            al. 2018: it rises linearly for half of its 0.4 to 1 s, to 0.1 to 0.25 rad to either
            side, and falls again. The next begins 1 to 3 s after its end.

    Yields:
        Frames from 1.2 s after the start until the lap is finished or abandoned.

    Raises:
        ArgumentError: gymnasium, Box2D or pygame is not installed.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(lap,)))
    gymnasium, _ = simulator()
    environment = gymnasium.make(ENVIRONMENT, max_episode_steps=LAST_STEP, disable_env_checker=True)
    with contextlib.closing(environment):
        environment.reset(seed=int(rng.integers(2**31)))
        game = environment.unwrapped
        line = center_line(np.array([tile[2:4] for tile in game.track]))
        disturbances = _disturbances(rng) if disturb else np.zeros(LAST_STEP)
        nearest, command = _respond(line, _pose(game), around=0)
        for step in range(1, LAST_STEP):
            action = _action(command, disturbances[step - 1])
            if step % STEPS_PER_FRAME:
                _advance(game, action)
                nearest, command = _respond(line, _pose(game), around=nearest)
                continue
            picture, _, over, _, _ = environment.step(action)
            pose = _pose(game)
            nearest, command = _respond(line, pose, around=nearest)
            offset = float(np.hypot(*(line.points[nearest] - (pose.x, pose.y))))
            if over or offset > FAR_OFF:
                return
            if step >= FIRST_STEP:
                yield Frame(
                    crop(picture),
                    command,
                    float(_action(command, disturbances[step])[0]),
                    pose,
                    offset,
                    bool(disturbances[step] != 0),
                )


def crop(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The rows of CarRacing's picture, (96, 96, 3), above the instrument bar: (84, 96, 3).

    The bar shows the speed as a white column and the steering as a green one: the targets.
    """
    return picture[:PICTURE_ROWS]


def simulator() -> tuple[Any, dict[str, object]]:
    """The gymnasium module, and the versions of gymnasium, Box2D and pygame.

    Raises:
        ArgumentError: One of them is not installed.
    """
    with warnings.catch_warnings():
        # Box2D's types lack __module__, which Python 3.11 and later warn of; where warnings are
        # errors, the interpreter crashes.
        warnings.simplefilter("ignore", DeprecationWarning)
        # In this order: imported after gymnasium, pygame prints nothing.
        box2d, gymnasium, pygame = (
            optional_import(name, purpose=f"running {ENVIRONMENT}", extra="driving")
            for name in ("Box2D", "gymnasium", "pygame")
        )
    return gymnasium, {
        "gymnasium": gymnasium.__version__,
        "box2d": box2d.__version__,
        "pygame": pygame.version.ver,
    }


def _disturbances(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """What is added to the steering at each step of a lap, in rad."""
    disturbances = np.zeros(LAST_STEP)
    step = 0
    while True:
        step += int(rng.integers(50, 150))
        length = int(rng.integers(20, 50))
        peak = rng.choice([-1, 1]) * rng.uniform(0.1, 0.25)
        if step + length > LAST_STEP:
            return disturbances
        disturbances[step : step + length] = peak * np.interp(
            np.arange(1, length + 1), [0, (length + 1) / 2, length + 1], [0, 1, 0]
        )
        step += length


def _respond(line: CenterLine, pose: Pose, *, around: int) -> tuple[int, Command]:
    """The nearest point of the center line, and the driver's command."""
    nearest = nearest_point(line, pose, around=around)
    return nearest, drive(line, pose, nearest=nearest)


def _action(command: Command, disturbance: float) -> npt.NDArray[np.float32]:
    steering = min(max(command.steering + disturbance, -STEERING_LIMIT), STEERING_LIMIT)
    return np.array([steering, command.gas, command.brake], dtype=np.float32)


def _pose(game: Any) -> Pose:
    hull = game.car.hull
    (x, y), velocity = hull.position, hull.linearVelocity
    return Pose(x, y, hull.angle, math.hypot(velocity[0], velocity[1]))


def _advance(game: Any, action: npt.NDArray[np.float32]) -> None:
    """A step of the environment without rendering; a test compares it with the environment's."""
    steering, gas, brake = action.astype(np.float64)
    game.car.steer(-steering)
    game.car.gas(gas)
    game.car.brake(brake)
    game.car.step(1 / STEPS_PER_SECOND)
    game.world.Step(1 / STEPS_PER_SECOND, 6 * 30, 2 * 30)
    game.t += 1 / STEPS_PER_SECOND
