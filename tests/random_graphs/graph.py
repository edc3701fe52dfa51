"""The description of a random network, and of how it is measured."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Graph", "Layer", "Node"]


@dataclass(frozen=True)
class Layer:
    """A weight layer: linear, or a convolution over the positions."""

    name: str
    width: int
    outputs: int
    kind: str = "linear"  # or "conv"
    kernel: int = 1
    groups: int = 1
    bias: bool = True
    shift: float = 0.0  # added to the bias; −50 before a ReLU kills every unit


@dataclass(frozen=True)
class Node:
    """An operation on earlier values, by number.

    Attributes:
        op: Which.
        args: Numbers of the values that it takes.
        width: Of its value.
        positions: Whether its value has positions.
        layer: Name of the layer that it calls; None.
        how: Layout of a layer's input, kind of an activation, index of a position, …
    """

    op: str
    args: tuple[int, ...]
    width: int
    positions: bool
    layer: str | None = None
    how: Any = None

    def __str__(self) -> str:
        axes = "samples × positions" if self.positions else "samples"
        what = f"{self.op} {self.layer or ''} {'' if self.how is None else self.how}".split()
        return f"{' '.join(what)} of {', '.join(map(str, self.args))}: {axes} × {self.width}"


@dataclass
class Graph:
    """A network, its data and options.

    Attributes:
        seed: It was made from.
        grid: Sizes of the axes of positions; () without positions.
        inputs: Width of the input, which is value 0.
        nodes: Node i makes value i + 1.
        layers: By name; some are never called.
        outputs: Number of the value of each output; ``"main"`` holds the predictions.
        batches: Sizes.
        target_dim: t.
        each_position: Whether each position has a target of its own.
        masked: Whether some positions are padding.
        reduce: The rule.
    """

    seed: int
    grid: tuple[int, ...] = ()
    inputs: int = 4
    nodes: list[Node] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    batches: tuple[int, ...] = (8,)
    target_dim: int = 2
    each_position: bool = False
    masked: bool = False
    reduce: str | int = "mean"

    @property
    def samples(self) -> int:
        """Of all batches."""
        return sum(self.batches)

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, targets, and which positions count (samples × positions)."""
        rng = np.random.default_rng((self.seed, 1))
        n, grid = self.samples, self.grid
        x = rng.standard_normal((n, *grid, self.inputs))
        shape = (n, *grid) if self.each_position else (n,)
        mean = x if self.each_position else x.reshape(n, -1, self.inputs).mean(1)
        y = mean @ rng.standard_normal((self.inputs, self.target_dim))
        y = y + 0.5 * rng.standard_normal((*shape, self.target_dim))
        count = int(np.prod(grid))
        lengths = rng.integers(1, count + 1, n)
        mask = np.arange(count) < lengths[:, None] if self.masked else np.ones((n, count), bool)
        return x, y, mask

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: grid {self.grid}, batches {self.batches}, t = {self.target_dim}, "
            f"reduce={self.reduce!r}"
            + (", a target each position" if self.each_position else "")
            + (", masked" if self.masked else "")
        ]
        lines.append(f"0: input × {self.inputs}")
        lines += [f"{i + 1}: {node}" for i, node in enumerate(self.nodes)]
        lines += [f"layer {layer}" for layer in self.layers.values()]
        return "\n".join([*lines, f"outputs {self.outputs}"])
