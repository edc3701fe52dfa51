"""Draws a graph from a seed."""

import numpy as np

from random_graphs.graph import Graph, Layer, Node

ACTIVATIONS = ("tanh", "relu", "relu_", "gelu", "square")
# Layouts in which a layer's input is presented; which axes come first, which are joined.
LAYOUTS = {
    0: ("plain",),
    1: ("plain", "position major", "joined", "joined position major", "one more axis"),
    2: ("plain", "position major", "joined", "joined position major", "between", "joined rows",
        "joined rows position major"),
}  # fmt: skip
# Ways of calling a layer in which rows are no longer those of the batch, in its order.
UNPAIRED = ("reversed", "halves", "sample by sample", "selection", "swapped in pairs")


def generate(seed: int) -> Graph:
    """The graph of a seed."""
    return _Generator(seed).graph()


class _Generator:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng((seed, 0))
        self.g = Graph(seed)
        self.values: list[tuple[int, bool]] = []  # width and positions of each value

    def pick(self, choices, weights=None):
        p = None if weights is None else np.array(weights) / sum(weights)
        return choices[int(self.rng.choice(len(choices), p=p))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def graph(self) -> Graph:
        g = self.g
        axes = self.pick((0, 1, 2), (2, 5, 3))
        sizes = [int(n) for n in self.rng.integers(2, 5, axes)]
        g.grid, g.inputs = tuple(sizes), int(self.rng.integers(3, 7))
        g.target_dim = int(self.rng.integers(1, 4))
        g.batches = self.batch_sizes()
        g.masked = bool(g.grid) and self.chance(0.25)
        g.each_position = bool(g.grid) and self.chance(0.25)
        last = int(np.prod(g.grid)) - 1
        number = int(self.rng.integers(0, last + 1))
        g.reduce = self.pick(("mean", "first", "last", "samples", number), (4, 1, 1, 2, 1))
        g.reduce = "samples" if g.each_position else g.reduce
        self.values.append((g.inputs, bool(g.grid)))
        for _ in range(int(self.rng.integers(3, 13))):
            self.grow()
        self.heads()
        for i in range(int(self.rng.integers(0, 3))):
            g.layers[f"unused{i}"] = Layer(f"unused{i}", 3, 2)
        return g

    def batch_sizes(self) -> tuple[int, ...]:
        count = int(np.prod(self.g.grid))
        size = self.pick((1, 2, 3, 5, 8, count, *self.g.grid), None)
        sizes = [size] * int(self.rng.integers(1, 4))
        if self.chance(0.4):
            sizes.append(int(self.rng.integers(1, size + 1)))
        if sum(sizes) < 6 and self.chance(0.9):  # few samples are rare
            sizes += [size] * -(-6 // size)
        return tuple(sizes)

    def add(self, op, args, width, positions, layer=None, how=None) -> int:
        self.g.nodes.append(Node(op, tuple(args), width, positions, layer, how))
        self.values.append((width, positions))
        return len(self.values) - 1

    def some(self, test=lambda width, positions: True) -> int | None:
        """A value, later ones more often."""
        fitting = [i for i, value in enumerate(self.values) if test(*value)]
        return self.pick(fitting, [i + 1 for i in range(len(fitting))]) if fitting else None

    def grow(self) -> None:
        op = self.pick(
            ("layer", "again", "act", "add", "cat", "pool", "mix", "cut", "odd", "constant",
             "steps", "write"),
            (8, 1.5, 4, 2, 1, 1, 1, 1, 0.6, 0.3, 0.6, 0.8),
        )  # fmt: skip
        getattr(self, f"grow_{op}")()

    def new_layer(self, width: int, outputs: int | None = None, kind: str = "linear") -> Layer:
        outputs = int(self.rng.integers(2, 8)) if outputs is None else outputs
        kernel, groups = 1, 1
        if kind == "conv":
            kernel = self.pick((1, 3))
            if width % 2 == 0 and outputs % 2 == 0 and self.chance(0.3):
                groups = 2
        shift = -50.0 if self.chance(0.03) else 0.0
        name = f"{kind}{len(self.g.layers)}"
        layer = Layer(name, width, outputs, kind, kernel, groups, self.chance(0.8), shift)
        self.g.layers[name] = layer
        return layer

    def layout(self, positions: bool) -> str:
        return self.pick(LAYOUTS[len(self.g.grid) if positions else 0])

    def grow_layer(self) -> None:
        at = self.some()
        width, positions = self.values[at]
        kind = "conv" if positions and self.chance(0.3) else "linear"
        layer = self.new_layer(width, kind=kind)
        how = None if kind == "conv" else self.layout(positions)
        if kind == "conv" and len(self.g.grid) == 2:
            how = self.pick(("plane", "rows", "rows position major"))
        self.add("layer", (at,), layer.outputs, positions, layer.name, how)

    def grow_again(self) -> None:
        """Call a layer once more."""
        layers = [x for x in self.g.layers.values() if x.kind == "linear"]
        if not layers:
            return
        layer = self.pick(layers)
        at = self.some(lambda width, positions: width == layer.width)
        if at is not None:
            positions = self.values[at][1]
            how = self.layout(positions)
            self.add("layer", (at,), layer.outputs, positions, layer.name, how)

    def grow_act(self) -> None:
        at = self.some()
        width, positions = self.values[at]
        self.add("act", (at,), width, positions, how=self.pick(ACTIVATIONS))

    def grow_add(self) -> None:
        at = self.some()
        width, positions = self.values[at]
        other = self.some(lambda w, p: w == width and (positions or not p))
        if other is not None:
            self.add("add", (at, other), width, positions, how=self.pick(("new", "in place")))

    def grow_cat(self) -> None:
        at = self.some()
        width, positions = self.values[at]
        other = self.some(lambda w, p: p == positions)
        if other is not None and width + self.values[other][0] <= 12:
            self.add("cat", (at, other), width + self.values[other][0], positions)

    def grow_pool(self) -> None:
        at = self.some(lambda width, positions: positions)
        if at is not None:
            rules = ("mean", "first", "last", "masked mean")
            self.add("pool", (at,), self.values[at][0], False, how=self.pick(rules))

    def grow_mix(self) -> None:
        """Mix positions by a softmax of their products, or scale each row."""
        at = self.some()
        width, positions = self.values[at]
        how = self.pick(("attention", "norm") if positions else ("norm",))
        self.add("mix", (at,), width, positions, how=how)

    def grow_cut(self) -> None:
        at = self.some(lambda width, positions: width >= 2)
        if at is not None:
            width, positions = self.values[at]
            how = self.pick(("left", "detached", "without gradients", "narrowed"))
            self.add("cut", (at,), width // 2 if how == "left" else width, positions, how=how)

    def grow_odd(self) -> None:
        """A layer that sees the samples in another way than the batch gives them."""
        at = self.some()
        width, positions = self.values[at]
        layer = self.new_layer(width)
        self.add("odd", (at,), layer.outputs, positions, layer.name, self.pick(UNPAIRED))

    def grow_constant(self) -> None:
        """A layer of constants: for each sample, or once."""
        at = self.some()
        width, positions = self.values[at]
        layer = self.new_layer(3, width)
        how = self.pick(("for each sample", "once"))
        self.add("constant", (at,), width, positions, layer.name, how)

    def grow_steps(self) -> None:
        """A layer called position by position."""
        at = self.some(lambda width, positions: positions)
        if at is not None and len(self.g.grid) == 1:
            layer = self.new_layer(self.values[at][0])
            self.add("steps", (at,), layer.outputs, True, layer.name)

    def grow_write(self) -> None:
        """Two values written into one tensor; the first is read again, or both."""
        at = self.some()
        width, positions = self.values[at]
        other = self.some(lambda w, p: p == positions)
        if other is None:
            return
        how = self.pick(("both", "first"))
        both = width + self.values[other][0]
        if both <= 12:
            self.add("write", (at, other), both if how == "both" else width, positions, how=how)

    def heads(self) -> None:
        """One main head; heads beside it before and after."""
        before = int(self.rng.integers(0, 2))
        for i in range(before + 1 + int(self.rng.integers(0, 2))):
            name = "main" if i == before else f"other{i}"
            at = self.some()
            if self.g.each_position and not self.values[at][1]:
                at = self.some(lambda width, positions: positions)
            width, positions = self.values[at]
            if positions and not self.g.each_position:
                at = self.add("pool", (at,), width, False, how=self.pick(("mean", "masked mean")))
                positions = False
            layer = self.new_layer(width, self.g.target_dim)
            layout = self.layout(positions)
            self.g.outputs[name] = self.add(
                "layer", (at,), layer.outputs, positions, layer.name, layout
            )
            if name == "main" and self.chance(0.2):  # what is returned is not the last layer's
                width = self.g.target_dim
                self.g.outputs[name] = self.add(
                    "act", (self.g.outputs[name],), width, positions, how="tanh"
                )
