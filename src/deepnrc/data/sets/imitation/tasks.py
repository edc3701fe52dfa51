"""The three imitation tasks: environment, observations, actions and the names of the columns."""

from dataclasses import dataclass

from deepnrc.data.sets.imitation.reacher_expert import ACTION_NAMES, OBSERVATION_NAMES

__all__ = ["HOPPER", "REACHER", "SWIMMER", "Task"]


@dataclass(frozen=True)
class Task:
    """A MuJoCo environment of Gymnasium as a regression problem, from states to actions.

    Attributes:
        name: The name of the data set.
        environment: Gymnasium's name.
        observation_names: One per input column, in Gymnasium's order.
        action_names: One per target column; every action lies in [-1, 1].
        pairs: Number of (state, action) pairs that the papers train on ([RU26], Table 2).
        older_observation_names: Columns that older versions of the environment append.
    """

    name: str
    environment: str
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    pairs: int
    older_observation_names: tuple[str, ...] = ()


SWIMMER = Task(
    name="swimmer",
    environment="Swimmer-v5",
    observation_names=(
        "angle_front",
        "angle_rotor0",
        "angle_rotor1",
        "velocity_x",
        "velocity_y",
        "angular_velocity_front",
        "angular_velocity_rotor0",
        "angular_velocity_rotor1",
    ),
    action_names=("torque_rotor0", "torque_rotor1"),
    pairs=1000,
)
REACHER = Task(
    name="reacher",
    environment="Reacher-v5",
    observation_names=OBSERVATION_NAMES,
    action_names=ACTION_NAMES,
    pairs=1000,
    older_observation_names=("fingertip_minus_target_z",),  # always 0; removed in Reacher-v5
)
HOPPER = Task(
    name="hopper",
    environment="Hopper-v5",
    observation_names=(
        "height",
        "angle_torso",
        "angle_thigh",
        "angle_leg",
        "angle_foot",
        "velocity_x",
        "velocity_z",
        "angular_velocity_torso",
        "angular_velocity_thigh",
        "angular_velocity_leg",
        "angular_velocity_foot",
    ),
    action_names=("torque_thigh", "torque_leg", "torque_foot"),
    pairs=5000,
)
