import pytest

from deepnrc.data.sets.imitation.recipes import Recipe


@pytest.fixture(scope="session")
def tiny():
    """A training of a fifth of a second, which makes no expert of anyone."""
    return Recipe(
        steps=256,
        gamma=0.9999,
        gae_lambda=0.98,
        learning_rate=6e-4,
        batch=64,
        rollout=64,
        normalize_reward=True,
        seconds=600.0,
        environments=2,
        epochs=2,
        hidden=(8, 8),
    )
