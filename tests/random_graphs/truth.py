"""What is right for a graph, in NumPy: samples come first in every value, nothing is joined."""

from dataclasses import dataclass, field
from itertools import product
from math import erf, sqrt

import numpy as np

from random_graphs.graph import Graph, Layer, Node
from reference.subspace import conv_weight_matrix

__all__ = ["Seen", "Truth", "truth_of"]

_erf = np.vectorize(erf)


@dataclass
class Seen:
    """What a layer saw: in each call an array with the samples first, and their numbers."""

    layer: Layer
    matrix: np.ndarray
    rows: list = field(default_factory=list)
    samples: list = field(default_factory=list)
    depth: int = 0
    number: int = 0
    on_path: bool = False
    paired: bool = True
    why: str = ""


@dataclass
class Truth:
    """Layers that are called, by name; predictions, as the model returns them."""

    layers: dict
    predictions: np.ndarray


@dataclass
class Value:
    """An array, samples first; the layers it depends on, and how many follow one another."""

    array: np.ndarray
    layers: frozenset = frozenset()
    depth: int = 0


def truth_of(graph: Graph, weights) -> Truth:
    """Run the graph on all samples at once.

    ``weights``: (weight, bias) by layer, as torch stores them.
    """
    return _Run(graph, weights).result()


class _Run:
    def __init__(self, graph: Graph, weights) -> None:
        self.graph, self.weights = graph, weights
        self.x, _, self.mask = graph.data()
        self.seen: dict[str, Seen] = {}

    def result(self) -> Truth:
        values = [Value(self.x)]
        for node in self.graph.nodes:
            given = [values[i] for i in node.args]
            array = getattr(self, f"run_{node.op}")(node, *[x.array for x in given])
            if node.op == "write" and node.how == "first":
                given = given[:1]
            layers = frozenset().union(*[x.layers for x in given])
            depth = max(x.depth for x in given)
            chosen = node.layer is not None and len(self.seen[node.layer].rows[-1]) > 0
            if chosen:  # of a call without rows nothing comes
                own = 0 if node.op == "constant" else depth
                seen = self.seen[node.layer]
                seen.depth = max(seen.depth, own)
                layers, depth = layers | {node.layer}, max(depth, own + 1)
            values.append(Value(array, layers, depth))
        main = values[self.graph.outputs["main"]]
        for name, seen in self.seen.items():
            seen.on_path = name in main.layers
        return Truth(self.seen, main.array)

    def note(self, name: str, x: np.ndarray, *, why: str = "", samples=None) -> None:
        """Rows of a call, of these samples; None: of all."""
        if name not in self.seen:
            layer = self.graph.layers[name]
            matrix = self.weights[name][0]
            if layer.kind == "conv":
                matrix = conv_weight_matrix(matrix, layer.groups)
            self.seen[name] = Seen(layer, matrix, number=len(self.seen))
        seen = self.seen[name]
        if why:
            seen.paired, seen.why = False, why
        seen.rows.append(x)
        seen.samples.append(np.arange(len(x)) if samples is None else samples)

    def applied(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self.weights[name]
        return x @ weight.T + bias

    def run_layer(self, node: Node, x):
        self.note(node.layer, x)
        layer = self.graph.layers[node.layer]
        return self.applied(node.layer, x) if layer.kind == "linear" else self.convolved(node, x)

    def convolved(self, node: Node, x):
        """A convolution by its sum over the kernel; in a plane, or along its rows."""
        layer = self.graph.layers[node.layer]
        weight, bias = self.weights[node.layer]
        axes = weight.ndim - 2  # the last axes of positions
        matrices = conv_weight_matrix(weight, layer.groups).reshape(layer.outputs, -1, layer.width)
        half, grid = layer.kernel // 2, x.shape[1:-1]
        still = len(grid) - axes
        pad = [(0, 0)] * (1 + still) + [(half, half)] * axes + [(0, 0)]
        padded, out = np.pad(x, pad), np.zeros((*x.shape[:-1], layer.outputs)) + bias
        for i, offset in enumerate(product(range(layer.kernel), repeat=axes)):
            window = tuple(slice(o, o + size) for o, size in zip(offset, grid[still:], strict=True))
            part = padded[(slice(None),) * (1 + still) + window]
            out = out + part @ matrices[:, i].T
        return out

    def run_act(self, node: Node, x):
        kinds = {
            "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0),
            "relu_": lambda x: np.maximum(x, 0), "square": lambda x: (0.5 * x) ** 2,
            "gelu": lambda x: 0.5 * x * (1 + _erf(x / sqrt(2))),
        }  # fmt: skip
        return kinds[node.how](x)

    def run_add(self, node: Node, x, other):
        if other.ndim < x.ndim:
            other = other.reshape(len(other), *[1] * (x.ndim - 2), -1)
        return x + other

    def run_cat(self, node: Node, x, other):
        return np.concatenate([x, other], -1)

    def run_pool(self, node: Node, x):
        flat = x.reshape(len(x), -1, x.shape[-1])
        if node.how == "masked mean":
            return np.stack(
                [rows[kept].mean(0) for rows, kept in zip(flat, self.mask, strict=True)]
            )
        return {"mean": flat.mean(1), "first": flat[:, 0], "last": flat[:, -1]}[node.how]

    def run_mix(self, node: Node, x):
        if node.how == "norm":
            centred = x - x.mean(-1, keepdims=True)
            return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        out = []
        for rows, kept in zip(x.reshape(len(x), -1, x.shape[-1]), self.mask, strict=True):
            scores = rows @ rows[kept].T / sqrt(x.shape[-1])
            powers = np.exp(scores - scores.max(-1, keepdims=True))
            out.append(powers / powers.sum(-1, keepdims=True) @ rows[kept])
        return np.stack(out).reshape(x.shape)

    def run_cut(self, node: Node, x):
        if node.how == "left":
            return x[..., : x.shape[-1] // 2]
        return 2 * x if node.how == "without gradients" else x

    def run_odd(self, node: Node, x):
        out = self.applied(node.layer, x)
        if node.how != "selection":
            self.note(node.layer, x, why=node.how)
            return out
        chosen = np.flatnonzero(x.reshape(len(x), -1)[:, 0] > 0)
        self.note(node.layer, x[chosen], why=node.how, samples=chosen)
        out[x.reshape(len(x), -1)[:, 0] <= 0] = 0.0
        return out

    def run_constant(self, node: Node, x):
        constant = np.tile(self.weights["constant"], (len(x), 1))
        self.note(node.layer, constant, why="once" if node.how == "once" else "")
        rows = self.applied(node.layer, constant)
        return x + rows.reshape(len(x), *[1] * (x.ndim - 2), -1)

    def run_steps(self, node: Node, x):
        for i in range(x.shape[1]):
            self.note(node.layer, x[:, i])
        return self.applied(node.layer, x)

    def run_write(self, node: Node, x, other):
        return x if node.how == "first" else np.concatenate([x, other], -1)
