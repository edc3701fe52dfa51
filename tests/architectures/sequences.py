"""Sequences: batch first or time-major, padding, packing, attention, recurrence."""

import warnings

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import deepnrc
from architectures.alone import alone
from architectures.arithmetic import array, batches, chain, data, made
from architectures.case import Known, Right, case
from architectures.vision import by_samples, layers_of

FAMILY = "Sequences"
OUTSIDE = ["embed", "readout", "head"]  # of the recurrent part


class Tokens(nn.Module):
    """A layer on every position, then the mean."""

    def __init__(self):
        super().__init__()
        self.token, self.head = nn.Linear(8, 12), nn.Linear(12, 2)

    def forward(self, x):
        return self.head(self.token(x).tanh().mean(1))


for rule in ("mean", "first", "last", 3):

    @case(f"Tokens, reduce={rule!r}", FAMILY, "which of the positions is the row of a sample")
    def tokens(rule=rule):
        return by_samples(made(Tokens), *data(48, 8, shape=(6,)), reduce=rule)


class Recurrent(nn.Module):
    """PyTorch's default layout, (T, B, d), inside a model that is batch first."""

    def __init__(self, kind, batch_first=False):
        super().__init__()
        self.embed = nn.Linear(8, 6)
        self.rnn = kind(6, 5, batch_first=batch_first)
        self.readout, self.head = nn.Linear(5, 7), nn.Linear(7, 2)
        self.batch_first = batch_first

    def forward(self, x):
        x = x if self.batch_first else x.transpose(0, 1)
        h, _ = self.rnn(self.embed(x))
        h = self.readout(h).tanh()
        return self.head(h[:, -1] if self.batch_first else h[-1])


for kind in (nn.GRU, nn.LSTM):
    for first in (False, True):
        layout = "batch first" if first else "time-major, T = B"

        @case(f"{kind.__name__}, {layout}", FAMILY, "as many steps as samples in a batch")
        def recurrent(kind=kind, first=first):
            model = made(lambda: Recurrent(kind, first))
            x, y = data(39, 8, shape=(13,))
            return by_samples(model, x, y, size=13, reduce="last", layers=OUTSIDE)


@case("A batch of one sample", FAMILY, "time-major with B = 1: no axis can be told by its size")
def one_by_one():
    model = made(lambda: Recurrent(nn.GRU))
    return by_samples(model, *data(30, 8, shape=(5,)), size=1, layers=OUTSIDE)


@case("Time-major inputs, batch_dim=1", FAMILY, "the loader yields (T, B, d) with T = B")
def time_major_inputs():
    model = made(Tokens)
    x, y = data(28, 8, shape=(7,))
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    pairs = [(x.transpose(0, 1), y) for x, y in batches(x, y, 7)]
    return Right(
        lambda: deepnrc.measure(
            model, pairs, batch_dim=1, forward=lambda m, x: m(x.transpose(0, 1))
        ),
        {name: seen.known(name, module) for name, module in modules.items()},
        y,
        np.concatenate(seen.predictions),
    )


class Masked(nn.Module):
    """A mean over the positions that count."""

    def __init__(self):
        super().__init__()
        self.token, self.mix, self.head = nn.Linear(8, 12), nn.Linear(12, 12), nn.Linear(12, 2)

    def forward(self, x, mask):
        h = self.mix(self.token(x).tanh()).tanh() * mask[..., None]
        return self.head(h.sum(1) / mask.sum(1, keepdim=True))


def masked(rule, padding):
    model = made(Masked)
    x, y = data(40, 8, shape=(9,))
    lengths = np.random.default_rng(1).integers(2, 9, len(x))
    mask = torch.from_numpy((np.arange(9) < lengths[:, None]).astype(float))
    shown = x.clone()
    shown[mask == 0] = padding
    samples = [{"x": x[i : i + 1, :n], "mask": mask[i : i + 1, :n]} for i, n in enumerate(lengths)]
    modules = layers_of(model)
    seen = alone(model, samples, lambda m, x: m(**x), modules)
    pairs = [
        ({"x": a, "mask": b}, c)
        for a, b, c in zip(shown.split(16), mask.split(16), y.split(16), strict=True)
    ]
    return Right(
        lambda: deepnrc.measure(model, pairs, reduce=rule, mask="mask"),
        {name: seen.known(name, module, rule) for name, module in modules.items()},
        y,
        np.concatenate(seen.predictions),
    )


for rule in ("mean", "last", "first"):

    @case(f"Padding, reduce={rule!r}", FAMILY, "as if the padding, of 1e3, were not there")
    def padded(rule=rule):
        return masked(rule, 1e3)


@case("A target for each token, padded", FAMILY, "positions are samples; padding has no target")
def tagging():
    model = chain(lambda: [nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 2)])
    x, _ = data(30, 8, shape=(7,))
    y = torch.stack([x[..., 0] + x[..., 1], x[..., 2]], -1) + 0.1 * x[..., 3:5]
    mask = torch.from_numpy(np.arange(7) < np.random.default_rng(0).integers(2, 8, 30)[:, None])
    kept = array(mask).astype(bool)
    h0 = array(x)[kept]
    h1 = np.tanh(h0 @ array(model[0].weight).T + array(model[0].bias))
    pairs = [
        ({"input": a, "padding": b}, c)
        for a, b, c in zip(x.split(8), mask.split(8), y.split(8), strict=True)
    ]
    Y = array(y)[kept]
    return Right(
        lambda: deepnrc.measure(
            model, pairs, reduce="samples", mask="padding", forward=lambda m, x: m(x["input"])
        ),
        {
            "0": Known(h0, array(model[0].weight), targets=Y),
            "2": Known(h1, array(model[2].weight), targets=Y),
        },
        Y,
        h1 @ array(model[2].weight).T + array(model[2].bias),
    )


@case("T = B with a target for each token", FAMILY, "time-major inside, targets batch first")
def tagging_time_major():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.out = nn.Linear(8, 6), nn.GRU(6, 5), nn.Linear(5, 2)

        def forward(self, x):
            h, _ = self.rnn(self.embed(x.transpose(0, 1)))
            return self.out(h).transpose(0, 1)

    model = made(Tagger)
    x, _ = data(27, 8, shape=(9,))
    y = torch.stack([x[..., 0] + x[..., 1], x[..., 2]], -1)
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    known = {}
    for name, module in modules.items():
        at = seen.known(name, module, "samples")
        known[name] = Known(at.rows, at.matrix, targets=array(y).reshape(-1, 2))
    return Right(
        lambda: deepnrc.measure(model, batches(x, y, 9), reduce="samples", layers=["embed", "out"]),
        known,
        array(y).reshape(-1, 2),
        np.concatenate(seen.predictions).reshape(-1, 2),
    )


class Attention(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.embed, self.layer = nn.Linear(8, 8), layer()
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)).mean(1))


@case("nn.TransformerEncoder", FAMILY, "a fused kernel hides layers in eval mode: none is judged")
def transformer_encoder():
    def encoder():
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    model = made(lambda: Attention(encoder))
    x, y = data(40, 8, shape=(5,))
    modules = layers_of(model)
    outer = {name: modules[name] for name in ("embed", "head")}
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    known = {name: seen.known(name, module) for name, module in outer.items()}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y), layers=["embed", "head"]),
        known,
        y,
        np.concatenate(seen.predictions),
    )


@case("nn.Transformer", FAMILY, "encoder and decoder, time-major, as many steps as samples")
def transformer():
    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.source, self.target = nn.Linear(8, 8), nn.Linear(8, 8)
            with warnings.catch_warnings():  # torch's advice to set batch_first
                warnings.simplefilter("ignore")
                self.body = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            x = x.transpose(0, 1)
            return self.head(self.body(self.source(x), self.target(x[:3]))[-1])

    model = made(Translator)
    x, y = data(27, 8, shape=(9,))
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(len(x))], lambda m, x: m(x), modules)
    names = ("source", "target", "body.decoder.layers.0.linear1", "body.decoder.layers.0.linear2")
    known = {name: seen.known(name, modules[name]) for name in (*names, "head")}
    return Right(
        lambda: deepnrc.measure(model, batches(x, y, 9), layers=[*names, "head"]),
        known,
        y,
        np.concatenate(seen.predictions),
    )


@case("Packed sequences", FAMILY, "rows of a packed batch, with their samples from reduce=")
def packed():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn = nn.Linear(8, 6), nn.GRU(6, 5)
            self.head = nn.Linear(5, 2)

        def forward(self, packed):
            rows = packed._replace(data=self.embed(packed.data).tanh())
            return self.head(self.rnn(rows)[1][0])

    model = made(Packed)
    x, y = data(30, 8, shape=(6,))
    lengths = np.sort(np.random.default_rng(0).integers(1, 7, 30))[::-1].copy()

    def pack(i, j):
        return pack_padded_sequence(x[i:j], torch.from_numpy(lengths[i:j]), batch_first=True)

    samples = [pack(i, i + 1) for i in range(30)]
    modules = layers_of(model)
    seen = alone(model, samples, lambda m, x: m(x), modules)

    def rows(name, activation, batch):
        if name != "embed":
            return activation
        sizes = batch[0].batch_sizes
        return activation, torch.cat([torch.arange(int(n)) for n in sizes])

    return Right(
        lambda: deepnrc.measure(
            model,
            [(pack(i, i + 10), y[i : i + 10]) for i in (0, 10, 20)],
            reduce=rows,
            layers=["embed", "head"],
        ),
        {
            "embed": seen.known("embed", modules["embed"], "samples"),
            "head": seen.known("head", modules["head"]),
        },
        y,
        np.concatenate(seen.predictions),
    )
