"""Small networks, states and configurations, for tests of training many at once."""

import torch

from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.state import TrainingState

N, D, T = 70, 5, 3  # 70 is no multiple of the batch of 16: the last one is smaller
# Rounding of float32 (6e-8) in another order of summation, grown over 20 steps of training.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def small_rows():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, D, generator=generator), torch.randn(N, T, generator=generator)


def config(**changes):
    settings = {"epochs": 4, "lr": 0.05, "weight_decay": 1e-2, "batch_size": 16, **changes}
    return TrainingConfig(**settings)


def models(count=3, **options):
    return [
        MLP(D, T, width=8, depth=3, generator=torch.Generator().manual_seed(seed), **options)
        for seed in range(count)
    ]


def state(model, made, seed=0):
    return TrainingState(model, make_optimizer(model, made), torch.Generator().manual_seed(seed))


def assert_same_weights(got, expected, close=CLOSE):
    torch.testing.assert_close(dict(got.state_dict()), dict(expected.state_dict()), **close)
