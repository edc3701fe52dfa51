"""The torch module of a graph: axes permuted, joined and written as the graph says."""

import math

import torch
from torch import nn
from torch.nn import functional

from helpers import seeded
from random_graphs.graph import Graph, Node

__all__ = ["Network"]


class Network(nn.Module):
    """Takes x and mask by name; returns a mapping of its outputs."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        with seeded(graph.seed):
            for layer in graph.layers.values():
                if layer.kind == "linear":
                    made: nn.Module = nn.Linear(layer.width, layer.outputs, layer.bias)
                else:
                    made = self.convolution(layer)
                if layer.bias and layer.shift:
                    made.bias.data += layer.shift
                self.add_module(layer.name, made)
            self.constant = nn.Parameter(torch.randn(3))
        self.double().eval()

    def convolution(self, layer):
        plane = any(x.layer == layer.name and x.how == "plane" for x in self.graph.nodes)
        kind = nn.Conv2d if plane else nn.Conv1d
        return kind(layer.width, layer.outputs, layer.kernel, padding=layer.kernel // 2,
                    groups=layer.groups, bias=layer.bias)  # fmt: skip

    def forward(self, x, mask):
        values = [x.clone()]
        for node in self.graph.nodes:
            given = [values[i] for i in node.args]
            values.append(getattr(self, f"run_{node.op}")(node, *given, mask=mask))
        return {name: values[i] for name, i in self.graph.outputs.items()}

    def run_layer(self, node: Node, x, mask=None):
        layer, axes = self.get_submodule(node.layer), x.ndim - 2
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            return self.run_convolution(node, layer, x)
        if node.how == "plain":
            return layer(x)
        if node.how == "position major":
            return layer(x.movedim(0, axes)).movedim(axes, 0)
        if node.how == "one more axis":
            return layer(x[None])[0]
        if node.how == "between":  # h × samples × w
            return layer(x.transpose(0, 1)).transpose(0, 1)
        if node.how == "joined":
            return layer(x.flatten(0, axes)).unflatten(0, x.shape[:-1])
        if node.how == "joined position major":
            turned = x.movedim(0, axes)
            return layer(turned.flatten(0, axes)).unflatten(0, turned.shape[:-1]).movedim(axes, 0)
        if node.how == "joined rows":  # samples · h × w
            return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        turned = x.transpose(0, 1)
        return layer(turned.flatten(0, 1)).unflatten(0, turned.shape[:2]).transpose(0, 1)

    def run_convolution(self, node: Node, layer, x):
        first = x.movedim(-1, 1)  # samples × channels × positions
        if node.how in (None, "plane"):
            return layer(first).movedim(1, -1)
        rows = x.transpose(0, 1) if node.how == "rows position major" else x
        joined = rows.flatten(0, 1).movedim(-1, 1)
        out = layer(joined).movedim(1, -1).unflatten(0, rows.shape[:2])
        return out.transpose(0, 1) if node.how == "rows position major" else out

    def run_act(self, node: Node, x, mask=None):
        if node.how == "relu_":
            return x.clone().relu_()
        kinds = {"tanh": torch.tanh, "relu": torch.relu, "gelu": functional.gelu,
                 "square": lambda x: (0.5 * x).square()}  # fmt: skip
        return kinds[node.how](x)

    def run_add(self, node: Node, x, other, mask=None):
        if other.ndim < x.ndim:
            other = other.reshape(len(other), *[1] * (x.ndim - 2), -1)
        return x + other if node.how == "new" else x.clone().add_(other)

    def run_cat(self, node: Node, x, other, mask=None):
        return torch.cat([x, other], -1)

    def run_pool(self, node: Node, x, mask=None):
        flat = x.flatten(1, -2)
        if node.how == "masked mean":
            weights = mask.to(x.dtype)[..., None]
            return (flat * weights).sum(1) / weights.sum(1)
        return {"mean": flat.mean(1), "first": flat[:, 0], "last": flat[:, -1]}[node.how]

    def run_mix(self, node: Node, x, mask=None):
        if node.how == "norm":
            return functional.layer_norm(x, x.shape[-1:])
        flat = x.flatten(1, -2)
        scores = flat @ flat.mT / math.sqrt(x.shape[-1])
        scores = scores.masked_fill(~mask[:, None], -1e9)
        return (scores.softmax(-1) @ flat).view_as(x)

    def run_cut(self, node: Node, x, mask=None):
        if node.how == "left":
            return x.chunk(2, -1)[0] if x.shape[-1] % 2 == 0 else x[..., : x.shape[-1] // 2]
        if node.how == "detached":
            return x.detach()
        if node.how == "narrowed":
            return x.contiguous().narrow(-1, 0, x.shape[-1]) * 1.0
        with torch.no_grad():
            return 2 * x

    def run_odd(self, node: Node, x, mask=None):
        layer, n = self.get_submodule(node.layer), len(x)
        if node.how == "reversed":
            return layer(x.flip(0)).flip(0)
        if node.how == "halves":
            return torch.cat([layer(x[: n // 2]), layer(x[n // 2 :])])
        if node.how == "sample by sample":
            return torch.stack([layer(one) for one in x])
        if node.how == "swapped in pairs":
            order = torch.arange(n) ^ 1
            order = torch.where(order < n, order, torch.arange(n))
            return layer(x[order])[order]
        chosen = x.flatten(1)[:, 0] > 0
        out = torch.zeros(*x.shape[:-1], layer.out_features, dtype=x.dtype)
        out[chosen] = layer(x[chosen])
        return out

    def run_constant(self, node: Node, x, mask=None):
        layer = self.get_submodule(node.layer)
        if node.how == "once":
            return x + layer(self.constant)
        rows = layer(self.constant.expand(len(x), 3))
        return x + rows.reshape(len(x), *[1] * (x.ndim - 2), -1)

    def run_steps(self, node: Node, x, mask=None):
        layer = self.get_submodule(node.layer)
        return torch.stack([layer(x[:, i]) for i in range(x.shape[1])], 1)

    def run_write(self, node: Node, x, other, mask=None):
        width = x.shape[-1]
        both = torch.empty(*x.shape[:-1], width + other.shape[-1], dtype=x.dtype)
        both[..., :width] = x
        both[..., width:] = other
        # A copy of both depends on both, also where only its left is read later.
        return both.clone() if node.how == "both" else both[..., :width]
