"""Modules with several weights, and layers of users' own classes."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

import deepnrc
from architectures.arithmetic import array, batches, data, layer_norm, linear, made, matrix, relu
from architectures.case import Known, Right, case
from reference.attention import heads, projections
from reference.recurrent import one_sample

FAMILY = "Parts of modules, registered classes"


class Reader(nn.Module):
    """A recurrent network and a head on the mean of its outputs."""

    def __init__(self, kind, **options):
        super().__init__()
        self.rnn = kind(8, 5, **options)
        width = (self.rnn.proj_size or 5) * (1 + self.rnn.bidirectional)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        outputs, _ = self.rnn(x if self.rnn.batch_first else x.transpose(0, 1))
        return self.head(outputs.mean(1 if self.rnn.batch_first else 0))


def recurrent(model, x, y, call, lengths=None):
    """A case whose rows are means over the steps of each sample's own loop."""
    rnn, rows, read = model.rnn, {}, []
    for i in range(len(x)):
        entering, outputs = one_sample(rnn, x[i, : None if lengths is None else lengths[i]].numpy())
        read.append(outputs.mean(0))
        for name, values in entering.items():
            rows.setdefault(name, []).append(values.mean(0))
    weights = {n: array(p) for n, p in rnn.named_parameters() if n.startswith("weight")}
    parts = {n.replace("weight_hr", "weight_z"): n for n in weights}
    order = sorted(parts, key=lambda n: (n.split("_l")[1][0], "z" in n))  # a layer after the other
    known = {f"rnn.{parts[n]}": Known(np.stack(rows[parts[n]]), weights[parts[n]]) for n in order}
    read = np.stack(read)
    known["head"] = Known(read, matrix(model.head))
    return Right(call, known, y, linear(model.head, read))


RECURRENT = {
    "LSTM, all its weights": (nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    "LSTM with projections": (nn.LSTM, {"num_layers": 2, "proj_size": 3, "batch_first": True}),
    "GRU, all its weights": (nn.GRU, {"num_layers": 3, "dropout": 0.5, "batch_first": True}),
    "RNN without biases": (nn.RNN, {"bidirectional": True, "bias": False}),
}

for name, (kind, options) in RECURRENT.items():
    about = ", ".join([*map(str, options), "every step of every layer and direction"])

    @case(name, FAMILY, about)
    def recurrent_network(kind=kind, options=options):
        model = made(lambda: Reader(kind, **options))
        x, y = data(48, 8, shape=(16,))  # as many steps as samples in a batch
        return recurrent(model, x, y, lambda: deepnrc.measure(model, batches(x, y)))


@case("LSTM of packed sequences", FAMILY, "without the padding, in the batch's order")
def packed():
    class Packed(Reader):
        def forward(self, x, lengths):
            given = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            padded = nn.utils.rnn.pad_packed_sequence(self.rnn(given)[0], batch_first=True)[0]
            return self.head(padded.sum(1) / lengths[:, None])

    model = made(lambda: Packed(nn.LSTM, num_layers=2, bidirectional=True))
    x, y = data(48, 8, shape=(6,))
    lengths = torch.from_numpy(np.random.default_rng(0).integers(1, 7, 48))
    loader = [((x[i : i + 16], lengths[i : i + 16]), y[i : i + 16]) for i in range(0, 48, 16)]
    return recurrent(model, x, y, lambda: deepnrc.measure(model, loader), lengths.tolist())


class Attending(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, **options)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = x if self.attention.batch_first else x.transpose(0, 1)
        h, _ = self.attention(x, x, x)
        return self.head(h.mean(1 if self.attention.batch_first else 0))


def attention_parts(module, name, x):
    """({part: known rows and matrix}, what it returns) of self-attention, sample by sample."""
    joined = np.stack([heads(module, one, one, one) for one in x])
    weights, _ = projections(module)
    mean = x.mean(1)
    known = {f"{name}.in_proj_{c}": Known(mean, w) for c, w in zip("qkv", weights, strict=True)}
    known[f"{name}.out_proj"] = Known(joined.mean(1), matrix(module.out_proj))
    return known, linear(module.out_proj, joined)


for first in (True, False):
    layout = "batch first" if first else "time-major, T = B"

    @case(f"MultiheadAttention, {layout}", FAMILY, "packed projections and what enters the last")
    def attention(first=first):
        model = made(lambda: Attending(batch_first=first))
        x, y = data(48, 8, shape=(16,))
        known, returned = attention_parts(model.attention, "attention", x.numpy())
        read = returned.mean(1)
        known["head"] = Known(read, matrix(model.head))
        return Right(
            lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, read)
        )


@case("nn.TransformerEncoder, all its layers", FAMILY, "its fused kernel is off while measured")
def encoder():
    class Encoded(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.body(x).mean(1))

    model = made(Encoded)
    x, y = data(40, 8, shape=(5,))
    known, h = {}, x.numpy()
    for number, layer in enumerate(model.body.layers):
        parts, returned = attention_parts(layer.self_attn, f"body.layers.{number}.self_attn", h)
        h = layer_norm(layer.norm1, h + returned)
        inner = relu(linear(layer.linear1, h))
        known |= parts
        known[f"body.layers.{number}.linear1"] = Known(h.mean(1), matrix(layer.linear1))
        known[f"body.layers.{number}.linear2"] = Known(inner.mean(1), matrix(layer.linear2))
        h = layer_norm(layer.norm2, h + linear(layer.linear2, inner))
    known["head"] = Known(h.mean(1), matrix(model.head))
    predictions = linear(model.head, h.mean(1))
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, predictions)


@case("Bilinear", FAMILY, "products of the features of two inputs")
def bilinear():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.both, self.head = nn.Bilinear(3, 5, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.both(x[:, :3], x[:, 3:]).relu())

    model = made(Two)
    x, y = data(60, 8)
    products = np.stack([np.outer(one[:3], one[3:]).ravel() for one in x.numpy()])
    weight = array(model.both.weight).reshape(6, 15)
    h = relu(products @ weight.T + array(model.both.bias))
    known = {"both": Known(products, weight), "head": Known(h, matrix(model.head))}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, h))


class Parameter(nn.Module):
    def __init__(self, d, p):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(p, d) / d**0.5), nn.Parameter(torch.randn(p))

    def forward(self, x):
        return functional.linear(x, self.w, self.b)


@case("F.linear with a parameter", FAMILY, "registered with the name of its weight and bias")
def parameter():
    model = made(lambda: nn.Sequential(Parameter(8, 6), nn.ReLU(), Parameter(6, 2)))
    x, y = data(60, 8)
    h = relu(x.numpy() @ array(model[0].w).T + array(model[0].b))

    def call():
        with deepnrc.register_layer(Parameter, weight="w", bias="b"):
            return deepnrc.measure(model, batches(x, y))

    known = {"0": Known(x.numpy(), array(model[0].w)), "2": Known(h, array(model[2].w))}
    predictions = h @ array(model[2].w).T + array(model[2].b)
    return Right(call, known, y, predictions, says=("2: last layer",))


class Bumps(nn.Module):
    """A Kolmogorov–Arnold layer: bumps of each feature."""

    def __init__(self, d, p):
        super().__init__()
        self.coefficients = nn.Parameter(torch.randn(p, d, 3) / (3 * d) ** 0.5)

    def basis(self, x):
        return torch.exp(-((x[..., None] - torch.tensor([-1.0, 0.0, 1.0])) ** 2)).flatten(-2)

    def forward(self, x):
        return functional.linear(self.basis(x), self.coefficients.flatten(1))


@case("Kolmogorov–Arnold network", FAMILY, "registered with a function that gives the basis")
def kan():
    model = made(lambda: nn.Sequential(Bumps(8, 4), Bumps(4, 2)))
    x, y = data(60, 8)
    known, h = {}, x.numpy()
    for number, layer in enumerate(model):
        bumps = np.exp(-((h[..., None] - np.array([-1.0, 0.0, 1.0])) ** 2)).reshape(len(h), -1)
        weight = array(layer.coefficients).reshape(len(layer.coefficients), -1)
        known[str(number)] = Known(bumps, weight)
        h = bumps @ weight.T

    def call():
        with deepnrc.register_layer(
            Bumps,
            weight=lambda layer: layer.coefficients.flatten(1),
            rows=lambda layer, x: layer.basis(x),
        ):
            return deepnrc.measure(model, batches(x, y))

    return Right(call, known, y, h)


@case("Mixture of two inputs", FAMILY, "registered with a function of both, weight in × out")
def mixture():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(12, 4))

        def forward(self, x, context):
            return torch.cat([x, context], -1) @ self.kernel

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.mixed, self.head = Mixed(), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.mixed(x, context=x[:, :4] ** 2).relu())

    model = made(Net)
    x, y = data(60, 8)
    both = np.hstack([x.numpy(), x.numpy()[:, :4] ** 2])
    h = relu(both @ array(model.mixed.kernel))

    def call():
        with deepnrc.register_layer(
            Mixed,
            weight=lambda layer: layer.kernel.T,
            rows=lambda layer, x, context: torch.cat([x, context], -1),
        ):
            return deepnrc.measure(model, batches(x, y))

    known = {
        "mixed": Known(both, array(model.mixed.kernel).T),
        "head": Known(h, matrix(model.head)),
    }
    return Right(call, known, y, linear(model.head, h))
