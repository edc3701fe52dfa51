"""What loaders yield: kinds of batches, of targets and of predictions."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from deepnrc.errors import DataError
from helpers import (
    assert_moments,
    in_batches,
    quiet,
    regression_data,
    seeded,
    small_network,
)


def test_dict_batches_several_inputs_and_triples():
    x, y = regression_data(40)

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 2)

        def forward(self, left, right):
            return self.fc(torch.cat([left, right], 1))

    with seeded():
        model = Two()
    left, right = x[:, :3], x[:, 3:]
    loaders = {
        "dict batch": ([{"x": {"left": left, "right": right}, "y": y}], lambda b: (b["x"], b["y"])),
        "triple": ([(left, right, y)], lambda b: ((b[0], b[1]), b[2])),
        "pair of inputs": ([((left, right), y)], None),
        "list of inputs": ([[[left, right], y]], None),
        "mapping of inputs": ([({"right": right, "left": left}, y)], None),
        "arrays": ([((left.numpy(), right.numpy()), y.numpy())], None),
    }
    for loader, unpack in loaders.values():
        collected = quiet(model, loader, unpack=unpack)
        assert_moments(collected.layers[0], x, y)
    with pytest.raises(DataError, match="the model takes left, right, but the inputs are a map"):
        quiet(model, [{"x": x, "y": y}])
    with pytest.raises(DataError, match=r"got a tuple of 3: pass unpack="):
        quiet(model, [(left, right, y)])
    with pytest.raises(DataError, match=r"got a Tensor of shape \(40, 8\): pass \(X, y\)"):
        quiet(model, [x])


def test_generators_and_iterable_datasets():
    x, y = regression_data(40)

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(x, y, strict=True))

    for loader in (iter(in_batches(x, y)), DataLoader(Stream(), 16)):
        assert_moments(quiet(small_network(), loader).layers[0], x, y, rtol=1e-6)


def test_a_used_up_generator_is_an_empty_loader():
    generator = iter(in_batches(*regression_data(40)))
    quiet(small_network(), generator)
    for loader in (generator, [], [(torch.zeros(0, 8), torch.zeros(0, 2))]):
        with pytest.raises(
            DataError,
            match="the loader gave no samples: check that it is not empty, and that it is not a "
            "generator that an earlier loop has used up",
        ):
            quiet(small_network(), loader)


def test_an_empty_batch_among_others_changes_nothing():
    x, y = regression_data(40)
    collected = quiet(small_network(), [(x[:0], y[:0]), (x, y), (x[:0], y[:0])])
    assert_moments(collected.layers[0], x, y)
    assert collected.targets.count == 40


@pytest.mark.parametrize("targets", [(40,), (40, 1)])
@pytest.mark.parametrize("outputs", [(-1,), (-1, 1)])
def test_one_target_never_broadcasts(targets, outputs):
    x, y = regression_data(40, t=1)
    model = small_network(t=1)
    collected = quiet(
        model,
        in_batches(x, y.reshape(targets)),
        forward=lambda model, x: model(x).reshape(outputs),
    )
    expected = (model(x) - y).square().sum().item()
    assert collected.squared_error == pytest.approx(expected, rel=1e-6)
    assert collected.targets.target_dim == 1


def test_integer_targets_are_numbers():
    x, _ = regression_data(40)
    y = torch.arange(40) % 7
    collected = quiet(small_network(t=1), in_batches(x, y))
    assert_moments(collected.layers[0], x, y[:, None])


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (
            lambda model, x: {"y": model(x)},
            "the model returned a dict, not a tensor: pass output=",
        ),
        (lambda model, x: (model(x),), "the model returned a tuple, not a tensor: pass output="),
        (
            lambda model, x: model(x)[:, :1],
            r"the model returned shape (40, 1) for targets of shape (40, 2): pass forward=",
        ),
        (lambda model, x: model(x).sum(), r"the model returned shape () for targets of shape"),
        (lambda model, x: model(x)[None], r"the model returned shape (1, 40, 2) for targets"),
    ],
)
def test_predictions_that_do_not_match_leave_the_error_undefined(forward, reason):
    collected = quiet(small_network(), [regression_data(40)], forward=forward)
    assert reason in collected.squared_error.reason
    assert collected.layers[0].rows == 40


def test_one_odd_batch_leaves_the_whole_error_undefined():
    x, y = regression_data(40)
    calls = iter(range(9))
    collected = quiet(
        small_network(),
        in_batches(x, y),
        forward=lambda model, x: model(x) if next(calls) != 1 else None,
    )
    assert collected.squared_error.reason.startswith("the model returned a NoneType, not a tensor")
