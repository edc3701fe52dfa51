"""Fully connected networks: chains, residual blocks, several heads, shared and unused layers."""

import numpy as np
import torch
from torch import nn

import deepnrc
from architectures.arithmetic import (
    array,
    batch_norm,
    batches,
    chain,
    data,
    layer_norm,
    linear,
    made,
    matrix,
    orthonormal,
    relu,
)
from architectures.case import Known, Right, case

FAMILY = "Fully connected"


@case("MLP", FAMILY, "a chain of linear layers and ReLU, the last batch smaller")
def mlp():
    model = chain(
        lambda: [nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 2)]
    )
    x, y = data()
    h0 = array(x)
    h1 = relu(linear(model[0], h0))
    h2 = relu(linear(model[2], h1))
    return Right(
        lambda: deepnrc.measure(model, batches(x, y)),
        {
            name: Known(h, matrix(model[int(name)]))
            for name, h in {"0": h0, "2": h1, "4": h2}.items()
        },
        y,
        linear(model[4], h2),
    )


class Collapsed(nn.Module):
    """Exactly collapsed from fc2 on: its features have the targets' two dimensions."""

    def __init__(self):
        super().__init__()
        U, V = orthonormal(16, 2, 1), orthonormal(16, 2, 2)
        self.fc1, self.fc2 = nn.Linear(8, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.out = nn.Linear(16, 2, bias=False)
        with torch.no_grad():
            self.fc1.weight.copy_(U @ torch.eye(2, 8, dtype=torch.float64))
            self.fc2.weight.copy_(V @ U.T)
            self.out.weight.copy_(V.T)

    def forward(self, x):
        return self.out(self.fc2(self.fc1(x)))

    def known(self, x):
        """Rows of each layer."""
        h1 = linear(self.fc1, x)
        h2 = linear(self.fc2, h1)
        names = (("fc1", x, self.fc1), ("fc2", h1, self.fc2), ("out", h2, self.out))
        return {name: Known(h, matrix(layer)) for name, h, layer in names}, linear(self.out, h2)


@case("Collapsed MLP", FAMILY, "the verdict itself: collapsed from the second layer on")
def collapsed():
    model = made(Collapsed)
    x, _ = data()
    known, predictions = model.known(array(x))
    return Right(
        lambda: deepnrc.measure(model, batches(x, x[:, :2])),
        known,
        x[:, :2],
        predictions,
        says=("Collapsed from fc2 on: 2 of 3",),
    )


@case("Bare linear layer", FAMILY, "the model is one layer, whose name is empty")
def bare():
    model = made(lambda: nn.Linear(8, 2))
    x, y = data()
    known = {"": Known(array(x), matrix(model))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model, array(x)))


class Residual(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.stem = nn.Linear(8, 16)
        self.norm = norm(16)
        self.up, self.down = nn.Linear(16, 24), nn.Linear(24, 16)
        self.skip, self.head = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x):
        h = self.stem(x)
        h = h + self.down(self.up(self.norm(h)).relu())
        return self.head(h.relu_() + self.skip(x))


def residual(norm, by_hand):
    model = made(lambda: Residual(norm))
    x, y = data()
    if isinstance(model.norm, nn.BatchNorm1d):
        model.train()(x)  # statistics that are not 0 and 1
        model.eval()
    h0 = array(x)
    h1 = linear(model.stem, h0)
    n = by_hand(model.norm, h1)
    u = relu(linear(model.up, n))
    h2 = relu(h1 + linear(model.down, u)) + linear(model.skip, h0)
    rows = {"stem": h0, "skip": h0, "up": n, "down": u, "head": h2}
    known = {name: Known(h, matrix(getattr(model, name))) for name, h in rows.items()}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, h2))


@case("Residual MLP, LayerNorm", FAMILY, "skips, a projection beside the block, ReLU in place")
def residual_layer_norm():
    return residual(nn.LayerNorm, layer_norm)


@case("Residual MLP, BatchNorm", FAMILY, "the same with running statistics")
def residual_batch_norm():
    return residual(nn.BatchNorm1d, batch_norm)


@case("Model left in train mode", FAMILY, "dropout and BatchNorm are measured as in eval mode")
def train_mode():
    model = chain(lambda: [nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 2)])
    x, y = data()
    model.train()(x)
    h1 = batch_norm(model[1], linear(model[0], array(x)))
    known = {"0": Known(array(x), matrix(model[0])), "3": Known(h1, matrix(model[3]))}
    return Right(
        lambda: deepnrc.measure(model.train(), batches(x, y)), known, y, linear(model[3], h1)
    )


class Heads(Collapsed):
    """Heads beside a collapsed policy, and an attention whose out_proj is never called."""

    def __init__(self, order="after"):
        super().__init__()
        self.order = order
        self.value, self.log_var = nn.Linear(16, 1), nn.Linear(16, 2)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        first = self.heads(x) if self.order == "before" else None
        mean = super().forward(x)
        value, log_var = first or self.heads(x)
        return {"mean": mean, "value": value, "log_var": log_var}

    def heads(self, x):
        h = self.fc1(x)
        return self.value(h), self.log_var(h)


def heads(order):
    model = made(lambda: Heads(order))
    x, _ = data()
    known, predictions = model.known(array(x))
    h1 = linear(model.fc1, array(x))
    twice = np.concatenate([array(x)] * 2)  # fc1 runs twice
    known["fc1"] = Known(twice, matrix(model.fc1), np.tile(np.arange(len(x)), 2))
    known |= {
        "value": Known(h1, matrix(model.value), role="side"),
        "log_var": Known(h1, matrix(model.log_var), role="side"),
        "unused": Known(role="uncalled"),
    }
    return Right(
        lambda: deepnrc.measure(model, [(x, x[:, :2])], output="mean"),
        known,
        x[:, :2],
        predictions,
        says=("Collapsed from fc2 on", "value: not judged", "unused: not judged", "2 calls"),
    )


@case("Value and variance heads after", FAMILY, "side heads and an unused layer: no veto")
def heads_after():
    return heads("after")


@case("Value and variance heads before", FAMILY, "the order of calls does not matter")
def heads_before():
    return heads("before")


class Unrolled(nn.Module):
    def __init__(self, steps=3):
        super().__init__()
        self.steps = steps
        self.embed, self.cell, self.head = nn.Linear(8, 12), nn.Linear(12, 12), nn.Linear(12, 2)

    def forward(self, x):
        h = self.embed(x)
        for _ in range(self.steps):
            h = torch.tanh(self.cell(h))
        return self.head(h)


def unrolled(calls, steps=3):
    model = made(lambda: Unrolled(steps))
    x, y = data()
    h = [linear(model.embed, array(x))]
    for _ in range(steps):
        h.append(np.tanh(linear(model.cell, h[-1])))
    W = matrix(model.cell)
    known = {"embed": Known(array(x), matrix(model.embed))}
    if calls == "separate":
        known |= {f"cell#{i + 1}": Known(h[i], W) for i in range(steps)}
        says = ()
    else:
        owners = np.tile(np.arange(len(x)), steps)
        known["cell"] = Known(np.concatenate(h[:-1]), W, owners)
        says = (f"{steps} calls a batch are pooled",)
    known["head"] = Known(h[-1], matrix(model.head))
    return Right(
        lambda: deepnrc.measure(model, batches(x, y), calls=calls),
        known,
        y,
        linear(model.head, h[-1]),
        says=says,
    )


@case("Unrolled loop, calls pooled", FAMILY, "one block called three times: its rows add up")
def unrolled_pooled():
    return unrolled("pooled")


@case("Unrolled loop, calls='separate'", FAMILY, "each call has a row of its own")
def unrolled_separate():
    return unrolled("separate")


class Equilibrium(nn.Module):
    """h = tanh(A h + B x), iterated until it stands still: the number of calls is not fixed."""

    def __init__(self):
        super().__init__()
        self.inject, self.cell = nn.Linear(8, 12), nn.Linear(12, 12, bias=False)
        self.head = nn.Linear(12, 2)

    def forward(self, x):
        with torch.no_grad():
            self.cell.weight.mul_(0.5 / torch.linalg.matrix_norm(self.cell.weight, 2))
        u = self.inject(x)
        h = torch.zeros_like(u)
        for _ in range(12):
            h = torch.tanh(self.cell(h) + u)
        return self.head(h)


@case("Deep equilibrium", FAMILY, "a cell iterated to a fixed point, without gradients")
def equilibrium():
    model = made(Equilibrium)
    x, y = data()
    with torch.no_grad():
        model(x)
    u = linear(model.inject, array(x))
    h = [np.zeros_like(u)]
    for _ in range(12):
        h.append(np.tanh(h[-1] @ matrix(model.cell).T + u))
    owners = np.tile(np.arange(len(x)), 12)
    known = {
        "inject": Known(array(x), matrix(model.inject)),
        "cell": Known(np.concatenate(h[:-1]), matrix(model.cell), owners),
        "head": Known(h[-1], matrix(model.head)),
    }
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, h[-1]))
