"""What is refused, each by a message that says what to do."""

import torch
from torch import nn

import deepnrc
from architectures.arithmetic import batches, chain, data
from architectures.case import Refused, case
from deepnrc.errors import ArgumentError, DataError, LayerError, NonFiniteError

FAMILY = "Refused"


def mlp():
    return chain(lambda: [nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)])


@case("Scripted model", FAMILY, "torch.jit.script hides the layers")
def scripted():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.script(mlp())
    return Refused(
        lambda: deepnrc.measure(model, batches(*data())), LayerError, ("measure the original",)
    )


@case("Exported model", FAMILY, "torch.export computes with the weights directly")
def exported():
    x, y = data()
    model = torch.export.export(mlp(), (x[:16],)).module()
    return Refused(
        lambda: deepnrc.measure(model, [(x[:16], y[:16])]),
        LayerError,
        (
            "exported graph",
            "measure the module that was exported",
        ),
    )


@case("Meta tensors", FAMILY, "weights without numbers")
def meta():
    model = mlp().to("meta")
    return Refused(lambda: deepnrc.measure(model, batches(*data())), LayerError, ("meta",))


@case("Sparse inputs", FAMILY, "rows of a sparse tensor cannot be summed")
def sparse():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return self.body(x.to_sparse())

    x, y = data()
    return Refused(
        lambda: deepnrc.measure(Sparse(), batches(x, y)),
        LayerError,
        ("layer 'body.0' is given a sparse tensor", "make it dense"),
    )


@case("Nested tensors", FAMILY, "sentences of several lengths without padding")
def nested():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            rows = torch.nested.as_nested_tensor(list(x), layout=torch.jagged)
            return self.body(rows)

    x, y = data(20, 8, shape=(3,))
    return Refused(
        lambda: deepnrc.measure(Nested(), batches(x, y)),
        LayerError,
        ("layer 'body.0' is given a nested tensor", "mask="),
    )


@case("torch.vmap", FAMILY, "several models stacked and called at once")
def vmapped():
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return torch.vmap(self.body)(x)

    x, y = data()
    return Refused(
        lambda: deepnrc.measure(Stacked(), batches(x, y)),
        LayerError,
        ("is called inside torch.vmap", "one by one"),
    )


@case("Measured inside its own forward=", FAMILY, "re-entry would mix two passes")
def reentered():
    model = mlp()
    x, y = data()

    def forward(model, inputs):
        deepnrc.measure(model, [(x, y)])
        return model(inputs)

    return Refused(
        lambda: deepnrc.measure(model, [(x, y)], forward=forward),
        ArgumentError,
        ("is being measured already", "copy.deepcopy"),
    )


@case("NaN from a layer on", FAMILY, "the layer and the batch are named")
def broken():
    class Logarithm(nn.Module):
        def forward(self, x):
            return x.log()

    model = chain(lambda: [nn.Linear(8, 16), Logarithm(), nn.Linear(16, 2)])
    return Refused(
        lambda: deepnrc.measure(model, batches(*data())),
        NonFiniteError,
        ("features of layer '2' hold NaN or infinity in batch 0",),
    )


@case("NaN in the targets", FAMILY, "the batch and the sample are named")
def nan_targets():
    x, y = data()
    y[20, 1] = torch.nan
    return Refused(
        lambda: deepnrc.measure(mlp(), batches(x, y)),
        NonFiniteError,
        ("targets of batch 1 hold NaN or infinity (first in its sample 4)",),
    )


@case("No linear layer", FAMILY, "a model that holds no weight matrix at all")
def without_layers():
    model = nn.Sequential(nn.Flatten(), nn.Tanh())
    return Refused(
        lambda: deepnrc.measure(model, batches(*data())), LayerError, ("no weight layer",)
    )


@case("Three tensors a batch", FAMILY, "which of them are inputs is not guessed")
def triples():
    x, y = data()
    return Refused(
        lambda: deepnrc.measure(mlp(), [(x, x, y)]),
        DataError,
        ("the loader must yield (inputs, targets); got a tuple of 3", "unpack="),
    )


@case("A target for each token, two readings", FAMILY, "T = t: both readings are shown")
def ambiguous():
    x, _ = data(20, 8, shape=(2,))
    y = torch.zeros(20, 2, 2).normal_(generator=torch.Generator().manual_seed(0))
    return Refused(
        lambda: deepnrc.measure(mlp(), batches(x, y), reduce="samples"),
        DataError,
        ("can be read in more than one way", "target_dim_axis=2", "target_dim_axis=1"),
    )


@case("Targets with axes, reduce='mean'", FAMILY, "which axis is meant is asked")
def axes():
    x, _ = data(20, 8, shape=(3,))
    y = torch.zeros(20, 3, 2).double()
    return Refused(lambda: deepnrc.measure(mlp(), batches(x, y)), DataError, ("reduce='samples'",))


@case("All rows mixed up", FAMILY, "no layer can be paired: nothing is left to measure")
def mixed():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return torch.cat([self.body(x[:5]), self.body(x[5:])])

    x, y = data()
    return Refused(
        lambda: deepnrc.measure(Halves(), batches(x, y)),
        DataError,
        ("no layer of Halves gave rows that can be paired", "reduce="),
    )


@case("Misspelt option", FAMILY, "the nearest name is offered")
def misspelt():
    return Refused(
        lambda: deepnrc.measure(mlp(), batches(*data()), reducee="mean"),
        ArgumentError,
        ("reducee", "reduce"),
    )
