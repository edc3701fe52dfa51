"""A scripted expert for the Reacher arm: inverse kinematics, then a spring and a damper per joint.

Pure NumPy on one observation, without state and without the simulator. The constants below are
those of gymnasium's ``reacher.xml``; a test compares them with the simulator's.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.errors import ArgumentError

__all__ = ["ACTION_NAMES", "OBSERVATION_NAMES", "expert_action", "poses_reaching"]

OBSERVATION_NAMES = (
    "cos_joint0",
    "cos_joint1",
    "sin_joint0",
    "sin_joint1",
    "target_x",
    "target_y",
    "velocity_joint0",
    "velocity_joint1",
    "fingertip_minus_target_x",
    "fingertip_minus_target_y",
)
ACTION_NAMES = ("torque_joint0", "torque_joint1")

UPPER_LINK = 0.1  # m, shoulder (joint0) to elbow (joint1)
LOWER_LINK = 0.11  # m, elbow to fingertip
ELBOW_LIMIT = 3.0  # rad; joint1 stops at plus and minus this, joint0 turns freely

# Armature 1, joint damping 1 and gear 200 dominate the links' own inertia, so each joint obeys
# acceleration = 200 action - velocity. With these gains it is a spring of 7.5 rad/s at 0.76 of
# critical damping. They are near the best constant gains for the return: at the same relative
# damping, four times the stiffness costs too much torque (mean return -6.5 instead of -3.6), a
# quarter of it too much time (-5.3).
STIFFNESS = 0.28  # action per rad of joint error
DAMPING = 0.052  # action per rad/s


def poses_reaching(target: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The two poses of the arm that put its fingertip on the target, elbow left and elbow right.

    A target outside the ring that the arm can reach (0.018 m to 0.21 m from the shoulder) is
    replaced by the nearest point of that ring.

    Args:
        target: (2,), x and y in m, the shoulder at the origin.

    Returns:
        (2, 2): one pose per row, the angles of joint0 (in (-2 pi, 2 pi)) and joint1 (within
        plus and minus 3) in rad.
    """
    x, y = float(target[0]), float(target[1])
    # The law of cosines. Clipping the cosine is what moves an unreachable target onto the ring.
    squares = UPPER_LINK**2 + LOWER_LINK**2
    cosine = (x * x + y * y - squares) / (2 * UPPER_LINK * LOWER_LINK)
    bend = math.acos(min(max(cosine, math.cos(ELBOW_LIMIT)), 1.0))
    elbow = np.array([bend, -bend])
    inside = np.arctan2(LOWER_LINK * np.sin(elbow), UPPER_LINK + LOWER_LINK * np.cos(elbow))
    return np.stack([math.atan2(y, x) - inside, elbow], axis=1)


def expert_action(observation: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """The expert's torques for an observation of ``Reacher-v5``.

    The goal is the nearer of the two poses that reach the target; a spring pulls each joint to its
    goal angle and a damper slows it. The action is a nonlinear function of the observation alone,
    with jumps where the nearer pose changes.

    Args:
        observation: (10,), in the order of `OBSERVATION_NAMES`; angles in rad, lengths in m.

    Returns:
        (2,), the action to apply, clipped to [-1, 1].

    Raises:
        ArgumentError: The observation does not have the shape (10,).

    Example:
        >>> stretched, target, at_rest = [1, 1, 0, 0], [0.0, 0.21], [0, 0]
        >>> observation = np.array([*stretched, *target, *at_rest, 0.21, -0.21])
        >>> expert_action(observation).round(2)  # a quarter turn at the shoulder
        array([0.44, 0.  ], dtype=float32)
    """
    if observation.shape != (len(OBSERVATION_NAMES),):
        raise ArgumentError(
            f"observation must have the shape ({len(OBSERVATION_NAMES)},) of Reacher-v5; got "
            f"{observation.shape}: pass one observation at a time, without the eleventh number "
            "(always 0) of Reacher-v4"
        )
    state = observation.astype(np.float64)
    angles = np.arctan2(state[2:4], state[0:2])
    velocities = state[6:8]

    errors = poses_reaching(state[4:6]) - angles
    # joint0 turns freely, so it takes the shorter way around. joint1 must not: its stop at 3 rad
    # blocks the shorter way through pi.
    errors[:, 0] = math.pi - np.mod(math.pi - errors[:, 0], 2 * math.pi)
    # Distance in joint space, together with equal gains for both joints, keeps the choice:
    # on the straight way to the nearer pose that pose stays the nearer one.
    error = errors[np.argmin(np.square(errors).sum(axis=1))]

    action: npt.NDArray[np.float32] = np.clip(STIFFNESS * error - DAMPING * velocities, -1, 1)
    return action.astype(np.float32)
