"""Inputs, outputs and targets of every kind; dtypes; wrappers of models."""

import copy
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import deepnrc
from architectures.arithmetic import array, batches, chain, data, linear, made, matrix, relu
from architectures.case import Known, Right, case
from deepnrc.errors import ArgumentError

FAMILY = "Data, outputs and wrappers"


def mlp(seed=0):
    return chain(lambda: [nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)], seed)


def known_of(model, x, prefix=""):
    """Rows of the two layers of `mlp`, and the predictions."""
    h = np.tanh(linear(model[0], x))
    known = {f"{prefix}0": Known(x, matrix(model[0])), f"{prefix}2": Known(h, matrix(model[2]))}
    return known, linear(model[2], h)


def as_mlp(loader, **options):
    """The case of `mlp` on a loader of the usual data."""
    model = mlp()
    x, y = data()
    known, predictions = known_of(model, array(x))
    return Right(lambda: deepnrc.measure(model, loader(x, y), **options), known, y, predictions)


@case("(X, y)", FAMILY, "two tensors, read in batches")
def pair():
    return as_mlp(lambda x, y: (x, y), batch_size=7)


@case("NumPy arrays", FAMILY, "X, y as arrays")
def arrays():
    return as_mlp(lambda x, y: (array(x), array(y)))


@case("pandas frames", FAMILY, "columns of two frames")
def frames():
    import pandas

    return as_mlp(lambda x, y: (pandas.DataFrame(array(x)), pandas.DataFrame(array(y))))


@case("torch data set", FAMILY, "a data set instead of a loader")
def dataset():
    return as_mlp(lambda x, y: torch.utils.data.TensorDataset(x, y), batch_size=16)


@case("Shuffled loader, last batch smaller", FAMILY, "the order of the samples does not matter")
def loader():
    def shuffled(x, y):
        generator = torch.Generator().manual_seed(3)
        both = torch.utils.data.TensorDataset(x, y)
        return torch.utils.data.DataLoader(both, 16, shuffle=True, generator=generator)

    return as_mlp(shuffled)


@case("TensorDict batches", FAMILY, "kept whole, with the targets by key", needs="tensordict")
def tensordicts():
    from tensordict import TensorDict

    def loader(x, y):
        return [TensorDict({"x": a, "y": b}, batch_size=len(a)) for a, b in batches(x, y)]

    return as_mlp(loader)


class Seen(NamedTuple):
    state: Any
    goal: Any


@dataclass
class Answer:
    mean: Any
    value: Any


class Structured(nn.Module):
    """Takes a named tuple; returns a dataclass, a tuple, a named tuple or a mapping."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.body = mlp()
        self.value = nn.Linear(8, 1)

    def forward(self, seen):
        both = torch.cat([seen.state, seen.goal], 1)
        mean, value = self.body(both), self.value(both)
        return {
            "dataclass": lambda: Answer(mean, value),
            "tuple": lambda: (value, [mean]),
            "named tuple": lambda: Seen(mean, value),
            "mapping": lambda: {"value": value, "mean": mean},
        }[self.kind]()


OUTPUTS = {"dataclass": "mean", "tuple": lambda out: out[1][0], "named tuple": "state",
           "mapping": "mean"}  # fmt: skip

for kind in OUTPUTS:

    @case(f"Output is a {kind}", FAMILY, "the predictions are picked, the value head is beside")
    def structured(kind=kind):
        model = made(lambda: Structured(kind))
        x, y = data()
        known, predictions = known_of(model.body, array(x), "body.")
        known["value"] = Known(array(x), matrix(model.value), role="side")
        pairs = [(Seen(a[:, :3], a[:, 3:]), b) for a, b in batches(x, y)]
        return Right(
            lambda: deepnrc.measure(model, pairs, output=OUTPUTS[kind]), known, y, predictions
        )


@case("DataParallel", FAMILY, "names have its prefix")
def data_parallel():
    model = mlp()
    x, y = data()
    known, predictions = known_of(model, array(x), "module.")
    wrapped = nn.DataParallel(model)
    return Right(lambda: deepnrc.measure(wrapped, batches(x, y)), known, y, predictions)


@case("AveragedModel", FAMILY, "the average of the weights is what is measured")
def averaged():
    model = mlp()
    average = torch.optim.swa_utils.AveragedModel(model)
    for seed in (1, 2):
        average.update_parameters(mlp(seed))
    average.eval()
    x, y = data()
    other, third, mean = mlp(1), mlp(2), copy.deepcopy(model)
    with torch.no_grad():
        for to, *parts in zip(*(m.parameters() for m in (mean, other, third)), strict=True):
            to.copy_((parts[0] + parts[1]) / 2)  # the first update replaces the start
    known, predictions = known_of(mean, array(x), "module.")
    return Right(lambda: deepnrc.measure(average, batches(x, y)), known, y, predictions)


class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = mlp(), nn.Linear(2, 2)
        self.body.compile(backend="eager")

    def forward(self, x):
        return self.head(self.body(x))


@case("A compiled block", FAMILY, "measured as it was before torch.compile")
def compiled():
    model = made(Compiled)
    x, y = data()
    known, h = known_of(model.body, array(x), "body.")
    known["head"] = Known(h, matrix(model.head))
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, h))


class Forces(nn.Module):
    """Predicts the gradient of an energy: forward needs gradients."""

    def __init__(self):
        super().__init__()
        self.body, self.energy = nn.Linear(6, 12), nn.Linear(12, 1)

    def forward(self, x):
        x = x.requires_grad_()
        energy = self.energy(torch.tanh(self.body(x))).sum()
        return -torch.autograd.grad(energy, x)[0]


@case("Forces", FAMILY, "a gradient inside forward, and targets of the input's width")
def forces():
    model = made(Forces)
    x, y = data(60, 6, 6)
    a = np.tanh(linear(model.body, array(x)))
    W1, w2 = matrix(model.body), matrix(model.energy)
    predictions = -((1 - a**2) * w2) @ W1
    known = {"body": Known(array(x), W1), "energy": Known(a, w2)}
    return Right(
        lambda: deepnrc.measure(model, [(a.clone(), b) for a, b in batches(x, y)]),
        known,
        y,
        predictions,
    )


@case("Integers to a float32 model", FAMILY, "inputs are cast where torch refuses them")
def cast():
    model = mlp().float()
    x = torch.randint(-3, 4, (60, 8), generator=torch.Generator().manual_seed(0))
    y = x[:, :2].double() + data()[1]
    known, predictions = known_of(model, array(x))
    return Right(
        lambda: deepnrc.measure(model, batches(x, y)), known, y, predictions,
        rtol=1e-4, says=("inputs were cast to torch.float32",),
    )  # fmt: skip


for dtype, rtol in ((torch.float32, 1e-4), (torch.bfloat16, 1e-6), (torch.float16, 1e-6)):
    name = str(dtype).removeprefix("torch.")

    @case(f"{name} model", FAMILY, "the features that the model makes, summed in float64")
    def half(dtype=dtype, rtol=rtol):
        model = mlp().to(dtype)
        x, y = data()
        x = x.to(dtype)
        with torch.no_grad():
            h = model[:2](x)
            predictions = array(model(x))
        known = {"0": Known(array(x), matrix(model[0])), "2": Known(array(h), matrix(model[2]))}
        return Right(
            lambda: deepnrc.measure(model, batches(x, y), precision="double"),
            known,
            y,
            predictions,
            rtol=rtol,
        )


@case("Two threads at once", FAMILY, "one model in four threads: each is right or refused")
def threads():
    model = mlp()
    x, y = data()
    known, predictions = known_of(model, array(x))

    def call():
        found, refused = [], []

        def one():
            try:
                found.append(deepnrc.measure(model, batches(x, y)))
            except ArgumentError as error:
                refused.append(str(error))

        several = [threading.Thread(target=one) for _ in range(4)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        assert len(found) + len(refused) == 4
        assert all(one.layers == found[0].layers for one in found)
        assert all("is being measured already" in message for message in refused)
        return found[0]

    return Right(call, known, y, predictions)


@case("Targets of low rank", FAMILY, "three targets of rank one: judged at their rank")
def low_rank():
    from architectures.plain import Collapsed

    model = made(Collapsed)
    x, _ = data()
    y = x[:, :1] @ torch.tensor([[1.0, -2.0, 0.5]]).double()
    known, _ = model.known(array(x))
    return Right(
        lambda: deepnrc.measure(model, batches(x, y), forward=lambda m, x: (m(x), None)[1]),
        known,
        y,
        says=("NRC1 to NRC3 are judged at k = 1",),
    )


@case("Dead ReLU layer", FAMILY, "its features are 0: undefined with the reason")
def dead():
    model = chain(lambda: [nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)])
    model[0].bias.data -= 100
    x, y = data()
    h = relu(linear(model[0], array(x)))
    known = {"0": Known(array(x), matrix(model[0])), "2": Known(h, matrix(model[2]))}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model[2], h),
        says=("the layer is dead",),
    )  # fmt: skip


@case("Model that changes its input", FAMILY, "x is scaled in place in forward")
def in_place():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return self.body(x.mul_(0.5))

    model = made(Scaled)
    x, y = data()
    known, predictions = known_of(model.body, 0.5 * array(x), "body.")
    return Right(
        lambda: deepnrc.measure(model, [(a.clone(), b) for a, b in batches(x, y)]),
        known,
        y,
        predictions,
    )
