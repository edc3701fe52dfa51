"""CarRacing driven by pure pursuit: camera pictures with the driver's steering and the speed.

Stands in for CARLA's drives where those cannot be had: a picture of the road ahead, two targets,
and a car that is pushed aside now and then so that the set shows how to recover. This file alone
touches gymnasium's Box2D environments, and only when it plays.
"""

import contextlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deepnrc.data.sets.carla import (
    COLUMNS,
    FRAMES_PER_FILE,
    TARGET_COLUMNS,
    read_drives,
    write_drive,
)
from deepnrc.data.sets.pure_pursuit import (
    STEERING_LIMIT,
    CenterLine,
    Command,
    Pose,
    center_line,
    drive,
    nearest_point,
)
from deepnrc.data.source import BuildRequest, RawData
from deepnrc.errors import ArgumentError, DeepNRCError, FileError

__all__ = ["Frame", "build_carracing", "crop", "play_lap", "read_carracing"]

ENVIRONMENT = "CarRacing-v3"
STEPS_PER_SECOND = 50
STEPS_PER_FRAME = 5  # ten pictures a second, as in CARLA's files
FIRST_STEP = 60  # in the first second the camera zooms in and the car gathers speed
LAST_STEP = 5000  # twice the longest lap; ends a lap of which too many tiles were missed
PICTURE_ROWS = 84  # of 96; the 12 below are the black bar with speed, steering and turn rate
FAR_OFF = 13.0  # m from the center line, the road's whole width: the lap is given up
DESCRIPTION = "build.json"


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a drive.

    Attributes:
        image: (84, 96, 3), uint8: what the camera shows, without the bar of instruments.
        command: What the driver wants at this moment; steering in rad, to the right positive.
        applied_steering: What the wheels are told: the driver's steering and the disturbance.
        pose: Position in m, heading in rad, speed in m/s.
        offset: Distance from the center line in m.
        disturbed: Whether a disturbance is going on.
    """

    image: npt.NDArray[np.uint8]
    command: Command
    applied_steering: float
    pose: Pose
    offset: float
    disturbed: bool


def build_carracing(path: Path, request: BuildRequest) -> None:
    """Drive laps and write what the camera saw, as HDF5 files of 200 frames in CARLA's layout.

    The same number of frames and seed give the same bytes with the same versions of gymnasium,
    Box2D, pygame, NumPy and HDF5. A smaller set is the beginning of a larger one with the same
    seed. The file ``build.json`` is written last: a folder without it is not whole.

    Images are 84 × 96, what the environment shows less its bar of instruments; they are not blown
    up to CARLA's 88 × 200, which would add pixels and no information.

    Args:
        path: The folder; it must not exist yet. Removed again if the build fails.
        request: Frames, seed, and where progress goes; there is nothing to train, so ``seconds``
            has no effect.

    Raises:
        ArgumentError: if fewer than one frame, or a negative seed, is asked for.
        DeepNRCError: if gymnasium with Box2D, or h5py, is not installed.
        FileError: if the folder is already there or cannot be written.
    """
    if request.samples < 1 or request.seed < 0:
        raise ArgumentError(
            f"samples and seed: expected at least 1 and 0, got {request.samples} and "
            f"{request.seed}; pass larger ones"
        )
    versions = _versions()
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise FileError(
            f"{path} cannot be made ({error}); pass a folder that does not exist yet, where there "
            "is room"
        ) from error
    try:
        laps = _write_frames(path, request)
        about: dict[str, object] = {
            "environment": ENVIRONMENT,
            **versions,
            "seed": request.seed,
            "samples": request.samples,
            "frames_per_second": STEPS_PER_SECOND / STEPS_PER_FRAME,
            **laps,
            "driver": "pure pursuit of the center line, 15 m ahead; speed by the sharpest bend of "
            "the next 35 m; now and then a push of the steering that the driver corrects",
        }
        (path / DESCRIPTION).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error}); free the disk") from error
    finally:
        if not (path / DESCRIPTION).exists():
            shutil.rmtree(path)


def read_carracing(path: str | Path, *, speed_only: bool = False) -> RawData:
    """What `build_carracing` wrote: steering and speed by camera image.

    Images stay on disk and come as float32 in [0, 1], 84 × 96. Steering is the front wheels'
    angle that the driver wanted, in rad, in [-0.4, 0.4], to the right positive: where the car was
    pushed, the correction, not the push. Speed is the car's, in m/s. The picture shows the road
    and not the speed itself; what can be told of the speed is how fast one drives on such a road.
    It does show the car's front wheels, one by two pixels each, as they stood a moment before.

    Args:
        path: The folder.
        speed_only: Leave the steering out, t = 1.

    Raises:
        FileError: if the folder is not whole or a file in it is damaged.
        NonFiniteError: if a target is NaN or infinite.
        DeepNRCError: if h5py is not installed.
    """
    folder = Path(path)
    try:
        about = dict(json.loads((folder / DESCRIPTION).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(
            f"{folder / DESCRIPTION} cannot be read ({error}); the folder is no CarRacing set, or "
            "its build was broken off: build it again with `deepnrc data build carracing --again`"
        ) from error
    names = ("speed",) if speed_only else ("steering", "speed")
    files = sorted(folder.glob("*.h5"))
    if not files:
        raise FileError(
            f"{folder}: expected HDF5 files (*.h5), got none; build it again with `deepnrc data "
            "build carracing --again`"
        )
    drives = read_drives(files, names)
    return RawData(
        inputs=drives.images,
        targets=torch.from_numpy(drives.targets),
        input_names=("image",),
        target_names=names,
        provenance={
            "data": "carracing",
            "made_from": f"{len(drives.targets)} frames of gymnasium's {ENVIRONMENT}, driven by "
            f"pure pursuit on {about.get('laps')} tracks (seed {about.get('seed')})",
            "image_values": "bytes divided by 255",
            **about,
        },
    )


def play_lap(*, seed: int, lap: int, disturb: bool = True) -> Iterator[Frame]:
    """Drive one track from start to finish, ten frames a second.

    Without an environment's own rendering in between, which is nine tenths of the time.

    Args:
        seed: With `lap`, fixes the track and the disturbances.
        lap: Counted from 0.
        disturb: Whether the steering is pushed. A push a triangle, as in Codevilla et al. 2018:
            it rises linearly for half of its 0.4 to 1 s, to 0.1 to 0.25 rad to either side, and
            falls again. The next begins 1 to 3 s after its end.

    Yields:
        Frames from 1.2 s after the start until the lap is done or given up.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(lap,)))
    gymnasium = _gymnasium()
    environment = gymnasium.make(ENVIRONMENT, max_episode_steps=LAST_STEP, disable_env_checker=True)
    with contextlib.closing(environment):
        environment.reset(seed=int(rng.integers(2**31)))
        game = environment.unwrapped
        line = center_line(np.array([tile[2:4] for tile in game.track]))
        pushes = _pushes(rng) if disturb else np.zeros(LAST_STEP)
        nearest, command = _answer(line, _pose(game), around=0)
        for step in range(1, LAST_STEP):
            action = _action(command, pushes[step - 1])
            if step % STEPS_PER_FRAME:
                _advance(game, action)
                nearest, command = _answer(line, _pose(game), around=nearest)
                continue
            picture, _, over, _, _ = environment.step(action)
            pose = _pose(game)
            nearest, command = _answer(line, pose, around=nearest)
            offset = float(np.hypot(*(line.points[nearest] - (pose.x, pose.y))))
            if over or offset > FAR_OFF:
                return
            if step >= FIRST_STEP:
                yield Frame(
                    crop(picture),
                    command,
                    float(_action(command, pushes[step])[0]),
                    pose,
                    offset,
                    bool(pushes[step] != 0),
                )


def crop(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The rows of CarRacing's picture, (96, 96, 3), above the bar of instruments: (84, 96, 3).

    The bar shows the speed as a white column and the steering as a green one: the targets.
    """
    return picture[:PICTURE_ROWS]


def _write_frames(path: Path, request: BuildRequest) -> dict[str, object]:
    """Fill files lap after lap; how many laps it took, and how far the car went off."""
    waiting: list[Frame] = []
    written, lap, farthest, disturbed = 0, 0, 0.0, 0
    while written + len(waiting) < request.samples:
        for frame in play_lap(seed=request.seed, lap=lap):
            waiting.append(frame)
            farthest = max(farthest, frame.offset)
            disturbed += frame.disturbed
            full = len(waiting) == FRAMES_PER_FILE
            done = written + len(waiting) == request.samples
            if full or done:
                _write_file(path / f"data_{written // FRAMES_PER_FILE:05d}.h5", waiting)
                written += len(waiting)
                waiting = []
                request.say(
                    f"carracing: {written:,} of {request.samples:,} frames, track {lap + 1}"
                )
            if done:
                break
        lap += 1
    return {
        "laps": lap,
        "farthest_off_center_m": round(farthest, 3),
        "disturbed_share": round(disturbed / request.samples, 4),
    }


def _write_file(path: Path, frames: list[Frame]) -> None:
    targets = np.zeros((len(frames), TARGET_COLUMNS), dtype=np.float32)
    for row, frame in zip(targets, frames, strict=True):
        values = {
            "steering": frame.command.steering,
            "gas": frame.command.gas,
            "brake": frame.command.brake,
            "applied_steering": frame.applied_steering,
            "position_x": frame.pose.x,
            "position_y": frame.pose.y,
            "speed": frame.pose.speed,
            "disturbed": float(frame.disturbed),
        }
        for name, value in values.items():
            row[COLUMNS[name]] = value
    write_drive(path, np.stack([frame.image for frame in frames]), targets, packed=True)


def _pushes(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """What is added to the steering at each step of a lap, in rad."""
    pushes = np.zeros(LAST_STEP)
    step = 0
    while True:
        step += int(rng.integers(50, 150))
        length = int(rng.integers(20, 50))
        peak = rng.choice([-1, 1]) * rng.uniform(0.1, 0.25)
        if step + length > LAST_STEP:
            return pushes
        pushes[step : step + length] = peak * np.interp(
            np.arange(1, length + 1), [0, (length + 1) / 2, length + 1], [0, 1, 0]
        )
        step += length


def _answer(line: CenterLine, pose: Pose, *, around: int) -> tuple[int, Command]:
    nearest = nearest_point(line, pose, around=around)
    return nearest, drive(line, pose, nearest=nearest)


def _action(command: Command, push: float) -> npt.NDArray[np.float32]:
    steering = min(max(command.steering + push, -STEERING_LIMIT), STEERING_LIMIT)
    return np.array([steering, command.gas, command.brake], dtype=np.float32)


def _pose(game: Any) -> Pose:
    hull = game.car.hull
    (x, y), velocity = hull.position, hull.linearVelocity
    return Pose(x, y, hull.angle, math.hypot(velocity[0], velocity[1]))


def _advance(game: Any, action: npt.NDArray[np.float32]) -> None:
    """A step of the environment without its picture; a test compares the two."""
    steering, gas, brake = action.astype(np.float64)
    game.car.steer(-steering)
    game.car.gas(gas)
    game.car.brake(brake)
    game.car.step(1 / STEPS_PER_SECOND)
    game.world.Step(1 / STEPS_PER_SECOND, 6 * 30, 2 * 30)
    game.t += 1 / STEPS_PER_SECOND


def _gymnasium() -> Any:
    try:
        with warnings.catch_warnings():
            # Box2D's types lack __module__, which Python 3.11 and later warn of; where warnings
            # are errors, the interpreter crashes.
            warnings.simplefilter("ignore", DeprecationWarning)
            import Box2D  # noqa: F401, PLC0415  # optional
            import gymnasium  # noqa: PLC0415  # optional and slow to import
            import pygame  # noqa: F401, PLC0415  # optional; silent, as gymnasium comes first
    except ImportError as error:
        raise DeepNRCError(
            f"playing {ENVIRONMENT} needs gymnasium with Box2D, which cannot be imported "
            f"({error}); run `pip install 'deepnrc[driving]'`"
        ) from error
    return gymnasium


def _versions() -> dict[str, object]:
    gymnasium = _gymnasium()
    import Box2D  # noqa: PLC0415  # just imported above, warnings and all
    import pygame  # noqa: PLC0415

    return {
        "gymnasium": gymnasium.__version__,
        "box2d": Box2D.__version__,
        "pygame": pygame.version.ver,
    }
