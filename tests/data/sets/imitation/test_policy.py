import numpy as np
import pytest
import torch

from deepnrc.data.sets.imitation.policy import Policy


@pytest.fixture
def policy(rng):
    return Policy(
        mean=rng.standard_normal(5),
        scale=rng.uniform(0.5, 2, 5),
        weights=(
            rng.standard_normal((7, 5)),
            rng.standard_normal((6, 7)),
            rng.standard_normal((2, 6)) / 2,  # so that not every action is clipped
        ),
        biases=(rng.standard_normal(7), rng.standard_normal(6), rng.standard_normal(2) / 2),
    )


def twin(policy, state):
    """The same by torch's layers."""
    values = (torch.tensor(state, dtype=torch.float64) - torch.tensor(policy.mean)) / torch.tensor(
        policy.scale
    )
    values = values.clamp(-10, 10)
    layers = list(zip(policy.weights, policy.biases, strict=True))
    for number, (weight, bias) in enumerate(layers):
        values = torch.nn.functional.linear(values, torch.tensor(weight), torch.tensor(bias))
        if number + 1 < len(layers):
            values = values.tanh()
    return values.clamp(-1, 1).float().numpy()


def test_twin(policy, rng):
    states = (10 * rng.standard_normal((200, 5))).astype(np.float32)
    actions = np.stack([policy(state) for state in states])
    assert actions.dtype == np.float32
    # Both in float64 and rounded to float32 at the end: 6e-8 relative, at most one bit apart.
    np.testing.assert_allclose(actions, [twin(policy, state) for state in states], rtol=1.3e-7)
    assert 0 < (np.abs(actions) == 1).mean() < 1


def test_not_linear_even_where_nothing_is_clipped(policy, rng):
    # The data would be useless for a study of collapse if the expert were linear in the state.
    here, there = rng.standard_normal((2, 5)).astype(np.float32)
    left, right, middle = (policy(s)[1] for s in (here, there, (here + there) / 2))
    assert max(abs(left), abs(right), abs(middle)) < 1
    assert abs(middle - (left + right) / 2) > 0.05


def test_far_states_are_cut_at_ten_deviations(policy):
    far, edge = np.zeros((2, 5), dtype=np.float32)
    far[3] = 1e6
    edge[3] = policy.mean[3] + 10 * policy.scale[3]
    # The edge is known to float32 rounding.
    np.testing.assert_allclose(policy(far), policy(edge), atol=1e-5)


def test_round_trip_as_tensors(policy, rng):
    again = Policy.from_tensors(policy.to_tensors())
    state = rng.standard_normal(5).astype(np.float32)
    assert policy(state).tobytes() == again(state).tobytes()
    assert len(again.weights) == 3


def test_tensors_are_copies(policy):
    before = policy.mean.copy()
    policy.to_tensors()["mean"].zero_()
    np.testing.assert_array_equal(policy.mean, before)


def test_state_is_not_written_to(policy):
    state = np.ones(5, dtype=np.float32)
    state.setflags(write=False)
    policy(state)
