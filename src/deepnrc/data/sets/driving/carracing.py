"""CarRacing driven by pure pursuit: camera images with the driver's steering and the car's speed.

Takes the place of CARLA's drives where those are not available: an image of the road ahead, two
targets, and a car that is disturbed now and then so that the set shows how to recover.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from deepnrc.data.sets.driving.drives import (
    COLUMNS,
    FRAMES_PER_FILE,
    TARGET_COLUMNS,
    read_drives,
    write_file,
)
from deepnrc.data.sets.driving.laps import (
    ENVIRONMENT,
    FRAMES_PER_SECOND,
    Frame,
    play_lap,
    simulator,
)
from deepnrc.data.source import BuildRequest, RawData
from deepnrc.errors import FileError
from deepnrc.storage.reading import read_json
from deepnrc.support.optional import optional_import

__all__ = ["build_carracing", "read_carracing"]

DESCRIPTION = "build.json"
_REBUILD = "build it again with `deepnrc data build carracing --again`"


def build_carracing(path: Path, request: BuildRequest) -> None:
    """Drive laps and write the frames as HDF5 files of 200 in the layout of CARLA's.

    The same number of frames and seed give bit-identical files with the same versions of
    gymnasium, Box2D, pygame, NumPy and HDF5. A smaller set is the beginning of a larger one with
    the same seed. The file ``build.json`` is written last: a folder without it is incomplete.

    Images are 84 × 96, what the environment shows without its instrument bar; they are not scaled
    up to CARLA's 88 × 200, which would add pixels and no information.

    Args:
        path: The folder; it must not exist yet. Removed again if the build fails.
        request: Frames, seed, and the receiver of progress lines; ``seconds`` has no effect,
            because nothing is trained.

    Raises:
        ArgumentError: gymnasium with Box2D, or h5py, is not installed.
        FileError: The folder exists already or cannot be written.
    """
    _, versions = simulator()
    optional_import("h5py", purpose="writing the frames", extra="driving")
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise FileError(
            f"{path} cannot be made ({error}): pass a folder that does not exist yet, on a disk "
            "with free space"
        ) from error
    try:
        laps = _write_frames(path, request)
        about: dict[str, object] = {
            "environment": ENVIRONMENT,
            **versions,
            "seed": request.seed,
            "samples": request.samples,
            "frames_per_second": FRAMES_PER_SECOND,
            **laps,
            "driver": "pure pursuit of the center line, 15 m ahead; speed by the sharpest bend of "
            "the next 35 m; now and then a push of the steering that the driver corrects",
        }
        (path / DESCRIPTION).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error}): free disk space") from error
    finally:
        if not (path / DESCRIPTION).exists():
            shutil.rmtree(path)


def read_carracing(path: str | Path, *, speed_only: bool = False) -> RawData:
    """Read what `build_carracing` wrote: steering and speed for camera images.

    Images stay on disk and come as float32 in [0, 1], 84 × 96. Steering is the front wheels' angle
    that the driver wanted, in rad, in [-0.4, 0.4], positive to the right: where the car was
    disturbed, the correction, not the disturbance. Speed is the car's, in m/s. The image shows the
    road and not the speed itself; it tells the speed only as far as that follows from the road.
    It does show the car's front wheels, one by two pixels each, as they stood a moment before.

    Args:
        path: The folder.
        speed_only: Leave the steering out, t = 1.

    Raises:
        ArgumentError: h5py is not installed.
        FileError: The folder is incomplete or a file in it is damaged.
        NonFiniteError: A target is NaN or infinite.
    """
    folder = Path(path)
    try:
        about = dict(read_json(folder / DESCRIPTION))
    except (FileError, TypeError, ValueError) as error:
        raise FileError(
            f"{folder / DESCRIPTION} cannot be read ({error}): the folder holds no CarRacing set, "
            f"or its build was interrupted; {_REBUILD}"
        ) from error
    names = ("speed",) if speed_only else ("steering", "speed")
    files = sorted(folder.glob("*.h5"))
    if not files:
        raise FileError(f"{folder} must hold HDF5 files (*.h5); got none: {_REBUILD}")
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


def _write_frames(path: Path, request: BuildRequest) -> dict[str, object]:
    """Write files lap after lap; the number of laps and how far off the road the car went."""
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
                _write_frame_file(path / f"data_{written // FRAMES_PER_FILE:05d}.h5", waiting)
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


def _write_frame_file(path: Path, frames: list[Frame]) -> None:
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
    write_file(path, np.stack([frame.image for frame in frames]), targets, compressed=True)
