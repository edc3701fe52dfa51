"""A driver for CarRacing: pure pursuit of the track's center line, slower where the track bends.

Pure NumPy on the car's pose, without the simulator. Steering follows the geometric law of Coulter,
Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01, 1992, for a car that
turns its front wheels. Lengths are in m, times in s, angles in rad.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CenterLine", "Command", "Pose", "center_line", "drive", "nearest_point"]

WHEELBASE = 3.24  # front to rear axle of CarRacing's car
STEERING_LIMIT = 0.4  # the wheels turn no further
LOOK_AHEAD = 15.0  # the cropped picture shows 37 m ahead of the car, so the goal is in it
TOP_SPEED = 40.0
SIDE_ACCELERATION = 25.0  # m/s² in a bend; far from sliding, as the tires hold about 200
BRAKING_POINTS = 10  # how many points ahead the sharpest bend is looked for: 35 m, in the picture


@dataclass(frozen=True)
class Pose:
    """Position, heading and speed of the car.

    Attributes:
        x: Position in m.
        y: Position in m.
        heading: Angle of the car's axis to the y axis, counterclockwise, in rad.
        speed: In m/s.
    """

    x: float
    y: float
    heading: float
    speed: float


@dataclass(frozen=True)
class Command:
    """What the driver does.

    Attributes:
        steering: Angle of the front wheels in rad, positive to the right, in [-0.4, 0.4].
        gas: In [0, 0.5].
        brake: In [0, 0.5].
    """

    steering: float
    gas: float
    brake: float


@dataclass(frozen=True, eq=False)
class CenterLine:
    """The center line of a closed track.

    Attributes:
        points: (n, 2), in the direction of travel; the first follows the last.
        curvature: (n,), 1 / radius of the bend around each point in 1/m, not negative.
    """

    points: npt.NDArray[np.float64]
    curvature: npt.NDArray[np.float64]


def center_line(points: npt.NDArray[np.float64]) -> CenterLine:
    """The center line through given points, with its curvature.

    The curvature at a point is the turn from the segment before it to the one after it over their
    mean length, averaged over five points, because CarRacing's tracks bend in steps.

    Args:
        points: (n, 2), closed, in the direction of travel.
    """
    after = np.roll(points, -1, axis=0) - points
    length = np.hypot(after[:, 0], after[:, 1])
    direction = np.arctan2(after[:, 1], after[:, 0])
    turn = direction - np.roll(direction, 1)
    turn = np.abs(np.mod(turn + math.pi, 2 * math.pi) - math.pi)
    bend = turn / ((length + np.roll(length, 1)) / 2)
    smooth = np.mean([np.roll(bend, shift) for shift in range(-2, 3)], axis=0)
    return CenterLine(points, smooth)


def nearest_point(line: CenterLine, pose: Pose, *, around: int) -> int:
    """Index of the point nearest to the car, among a few before and after the point `around`.

    Not among all: tracks come close to themselves, and the car must not jump to another part.
    """
    near = np.arange(around - 5, around + 12) % len(line.points)
    return int(near[np.argmin(_distances(line.points[near], pose))])


def drive(line: CenterLine, pose: Pose, *, nearest: int) -> Command:
    """The driver's command for a pose: a function of this moment alone.

    Steering puts the car on the circle that is tangent to its heading and passes through the goal:
    the point of the center line at a distance of 15 m ahead. Here the circle starts at the middle
    of the car instead of its rear axle. The driver holds the speed at which the sharpest bend of
    the next 35 m needs a lateral acceleration of 25 m/s², at most 40 m/s.

    Args:
        line: The track.
        pose: The car.
        nearest: From `nearest_point`.
    """
    goal = _goal(line, pose, nearest)
    east, north = goal[0] - pose.x, goal[1] - pose.y
    ahead = -math.sin(pose.heading) * east + math.cos(pose.heading) * north
    right = math.cos(pose.heading) * east + math.sin(pose.heading) * north
    angle = math.atan2(right, ahead)
    wheels = math.atan(2 * WHEELBASE * math.sin(angle) / math.hypot(east, north))

    coming = np.arange(nearest, nearest + BRAKING_POINTS) % len(line.points)
    sharpest = max(float(line.curvature[coming].max()), 1e-3)
    missing = min(TOP_SPEED, math.sqrt(SIDE_ACCELERATION / sharpest)) - pose.speed
    return Command(
        steering=min(max(wheels, -STEERING_LIMIT), STEERING_LIMIT),
        gas=min(max(0.1 * missing, 0.0), 0.5),
        brake=min(max(-0.05 * missing, 0.0), 0.5),
    )


def _goal(line: CenterLine, pose: Pose, nearest: int) -> npt.NDArray[np.float64]:
    """Where the center line leaves the circle of 15 m around the car, between points as needed."""
    ahead = line.points[np.arange(nearest, nearest + 30) % len(line.points)]
    outside = _distances(ahead, pose) >= LOOK_AHEAD
    first = int(np.argmax(outside))
    if first == 0:  # the car is far off: head for the nearest point
        nearest_ahead: npt.NDArray[np.float64] = ahead[0]
        return nearest_ahead
    start, step = ahead[first - 1], ahead[first] - ahead[first - 1]
    # |start + share · step − car| = LOOK_AHEAD, of which the larger root lies in (0, 1].
    offset = start - np.array([pose.x, pose.y])
    a, b, c = step @ step, offset @ step, offset @ offset - LOOK_AHEAD**2
    share = (-b + math.sqrt(b * b - a * c)) / a
    goal: npt.NDArray[np.float64] = start + share * step
    return goal


def _distances(points: npt.NDArray[np.float64], pose: Pose) -> npt.NDArray[np.float64]:
    distances: npt.NDArray[np.float64] = np.hypot(points[:, 0] - pose.x, points[:, 1] - pose.y)
    return distances
