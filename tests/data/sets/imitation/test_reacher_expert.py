import contextlib
import math

import gymnasium
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepnrc.data.sets.imitation.playing import play
from deepnrc.data.sets.imitation.reacher_expert import (
    DAMPING,
    ELBOW_LIMIT,
    LOWER_LINK,
    STIFFNESS,
    UPPER_LINK,
    expert_action,
    poses_reaching,
)
from deepnrc.errors import ArgumentError

INNER_RADIUS = math.sqrt(
    UPPER_LINK**2 + LOWER_LINK**2 + 2 * UPPER_LINK * LOWER_LINK * math.cos(ELBOW_LIMIT)
)
EPISODE_STEPS = 50  # gymnasium's own limit; Reacher never ends earlier
angles = st.floats(-math.pi, math.pi)
coordinates = st.floats(-0.3, 0.3)


def played(episodes, *, seed=0):
    """What the expert sees and does in the simulator."""
    return play("Reacher-v5", expert_action, seed=seed, episodes=episodes)


def fingertip(joint0, joint1):
    """Forward kinematics, by adding up the two links."""
    x = UPPER_LINK * math.cos(joint0) + LOWER_LINK * math.cos(joint0 + joint1)
    y = UPPER_LINK * math.sin(joint0) + LOWER_LINK * math.sin(joint0 + joint1)
    return np.array([x, y])


def observe(joint0, joint1, target, velocities=(0.0, 0.0)):
    pose = np.array([joint0, joint1])
    offset = fingertip(joint0, joint1) - target
    return np.concatenate([np.cos(pose), np.sin(pose), target, velocities, offset])


def joint_distance(pose, other):
    turn = abs(pose[0] - other[0]) % (2 * math.pi)
    return math.hypot(min(turn, 2 * math.pi - turn), pose[1] - other[1])


@given(x=coordinates, y=coordinates)
@settings(deadline=None)
def test_both_poses_reach_the_target_or_the_nearest_point_of_the_ring(x, y):
    radius = math.hypot(x, y)
    direction = math.atan2(y, x)
    reached = min(max(radius, INNER_RADIUS), UPPER_LINK + LOWER_LINK)
    expected = reached * np.array([math.cos(direction), math.sin(direction)])
    for pose in poses_reaching(np.array([x, y])):
        # acos near 1 turns rounding of 1e-16 into 1e-8 rad, times 0.2 m.
        np.testing.assert_allclose(fingertip(*pose), expected, rtol=0, atol=1e-8)
        assert abs(pose[1]) <= ELBOW_LIMIT + 1e-12


@given(joint0=angles, joint1=st.floats(-ELBOW_LIMIT, ELBOW_LIMIT))
@settings(deadline=None)
def test_a_pose_is_found_again_from_its_fingertip(joint0, joint1):
    poses = poses_reaching(fingertip(joint0, joint1))
    # At the stretched arm a radius off by 1e-17 m is an elbow angle off by 1e-7 rad or so.
    assert min(joint_distance(pose, (joint0, joint1)) for pose in poses) < 1e-6


@given(joint0=angles, joint1=st.floats(-ELBOW_LIMIT, ELBOW_LIMIT))
@settings(deadline=None)
def test_at_rest_on_the_target_the_action_is_zero(joint0, joint1):
    action = expert_action(observe(joint0, joint1, fingertip(joint0, joint1)))
    np.testing.assert_allclose(action, 0, atol=1e-6)


@given(joint0=angles, joint1=st.floats(-3, 3), x=coordinates, y=coordinates, way=st.floats(0, 1))
@settings(deadline=None)
def test_the_nearer_pose_is_the_goal_and_stays_it_on_the_straight_way(joint0, joint1, x, y, way):
    target = np.array([x, y])
    start = expert_action(observe(joint0, joint1, target)).astype(np.float64)
    near, far = sorted(poses_reaching(target), key=lambda p: joint_distance(p, (joint0, joint1)))
    gap = joint_distance(far, (joint0, joint1)) - joint_distance(near, (joint0, joint1))
    assume(gap > 1e-5)  # not a tie
    assume(abs(start[0]) < STIFFNESS * (math.pi - 1e-5))  # not a tie of left and right turn
    assume(np.abs(start).max() < 1)  # not bent by clipping
    # Without velocity the action points straight to the goal and is proportional to the way left.
    whole = start / STIFFNESS
    assert joint_distance(np.array([joint0, joint1]) + whole, near) < 1e-5
    later = expert_action(observe(*(np.array([joint0, joint1]) + way * whole), target))
    np.testing.assert_allclose(later, (1 - way) * start, atol=1e-6)


def test_joint0_takes_the_short_way_round():
    # From 3 rad to -3 rad: forward through pi by 0.28 rad, not back by 6.
    action = expert_action(observe(3.0, 0.5, fingertip(-3.0, 0.5)))
    np.testing.assert_allclose(action, [STIFFNESS * (2 * math.pi - 6), 0], atol=1e-6)


def test_joint1_never_pushes_through_its_stop():
    # The goals are elbow angles of 2.9 and -2.9. From -2.8 with joint0 as in the first goal, the
    # way through pi to 2.9 would be 0.58 rad, but the stop bars it; -2.9 is the one to take.
    target = fingertip(0.0, 2.9)
    left, right = poses_reaching(target)
    assert left[1] == pytest.approx(2.9)
    action = expert_action(observe(left[0], -2.8, target))
    short_turn = -math.remainder(left[0] - right[0], 2 * math.pi)
    np.testing.assert_allclose(action, [STIFFNESS * short_turn, STIFFNESS * -0.1], atol=1e-6)


def test_velocity_is_damped():
    still = expert_action(observe(0.3, 0.4, np.array([0.1, 0.1])))
    moving = expert_action(observe(0.3, 0.4, np.array([0.1, 0.1]), velocities=(2.0, -3.0)))
    np.testing.assert_allclose(moving - still, [-2 * DAMPING, 3 * DAMPING], atol=1e-6)


def test_action_is_clipped_to_the_range_of_the_motors():
    action = expert_action(observe(0.0, 0.0, np.array([0.1, 0.1]), velocities=(-100.0, 100.0)))
    assert action.tolist() == [1.0, -1.0]
    assert action.dtype == np.float32


def test_same_observation_same_action():
    observation = observe(0.3, -0.4, np.array([-0.1, 0.05]), velocities=(1.0, 2.0))
    first = expert_action(observation)
    expert_action(observe(2.0, 1.0, np.array([0.1, 0.1])))  # a state kept between calls would show
    np.testing.assert_array_equal(expert_action(observation.copy()), first)


def test_observation_is_not_written_to():
    observation = observe(0.3, -0.4, np.array([-0.1, 0.05]))
    observation.setflags(write=False)
    expert_action(observation)


def test_linear_interpolation_fails():
    # The data would be useless for a study of collapse if the expert were linear in the state.
    here, there = (observe(0, 0.5, np.array(t)) for t in ([0.1, 0.1], [-0.1, 0.1]))
    halfway = expert_action((here + there) / 2)
    assert np.abs(halfway - (expert_action(here) + expert_action(there)) / 2).max() > 0.05


@pytest.mark.parametrize("shape", [(11,), (3, 10)])
def test_wrong_shape_is_refused(shape):
    message = r"observation must have the shape \(10,\) of Reacher-v5; got \(.*\): pass one"
    with pytest.raises(ArgumentError, match=message):
        expert_action(np.zeros(shape))


def test_recorded_actions_lead_through_the_recorded_states_to_the_return():
    record = played(1, seed=3)
    # Played again by a bare loop: setting the simulator to the recorded start and applying the
    # recorded actions leads through the recorded states.
    with contextlib.closing(gymnasium.make("Reacher-v5")) as environment:
        environment.reset(seed=0)
        first = record.states[0].astype(float)
        joints = np.arctan2(first[2:4], first[0:2])
        environment.unwrapped.set_state(
            np.concatenate([joints, first[4:6]]), np.concatenate([first[6:8], [0, 0]])
        )
        total = 0.0
        for step in range(EPISODE_STEPS):
            observation, reward, *_ = environment.step(record.actions[step])
            total += reward
            if step + 1 < EPISODE_STEPS:
                # The start is known to float32 rounding, 1e-7 relative; velocities reach 10 rad/s.
                np.testing.assert_allclose(observation, record.states[step + 1], atol=1e-5)
        assert total == pytest.approx(record.returns.item(), abs=1e-4)


def test_the_experts_arm_is_the_simulators():
    with contextlib.closing(gymnasium.make("Reacher-v5")) as environment:
        model = environment.unwrapped.model
    limit = model.joint("joint1").range
    assert limit.tolist() == [-ELBOW_LIMIT, ELBOW_LIMIT]
    assert not model.joint("joint0").limited.item()
    # Fingertip = target + offset, as observed, against the two links added up.
    values = played(3, seed=3).states.astype(float)
    joints = np.arctan2(values[:, 2:4], values[:, 0:2])
    total = joints.sum(axis=1)
    upper, lower = UPPER_LINK, LOWER_LINK
    x = upper * np.cos(joints[:, 0]) + lower * np.cos(total)
    y = upper * np.sin(joints[:, 0]) + lower * np.sin(total)
    # The simulator reports the fingertip of its last Runge-Kutta stage, micrometers off.
    np.testing.assert_allclose(values[:, 4:6] + values[:, 8:10], np.stack([x, y], 1), atol=1e-5)


def test_neighboring_seeds_share_no_episode():
    # With seed + episode as the episode's seed they would share all but one.
    returns = np.concatenate([played(3, seed=seed).returns for seed in (0, 1, 2)])
    assert len(np.unique(returns)) == 9


def test_expert_solves_reacher():
    # gymnasium calls Reacher solved at -3.75. The mean over 2,500 episodes is -3.6, the standard
    # error over 200 is 0.1, so this holds with other simulator versions too.
    returns = played(200).returns
    assert returns.shape == (200,)
    assert returns.mean() > gymnasium.spec("Reacher-v5").reward_threshold
    assert returns.max() < 0


def test_the_fingertip_ends_on_every_reachable_target():
    # 2 mm, where the target is a ball with a radius of 9 mm and some 20 cm away at the start.
    last = played(40, seed=1).states.reshape(40, EPISODE_STEPS, 10)[:, -1]
    reachable = np.linalg.norm(last[:, 4:6], axis=1) > 0.02
    assert reachable.sum() >= 35
    assert np.linalg.norm(last[reachable, 8:10], axis=1).max() < 0.002  # m
