"""The papers' multi-layer perceptron: weight layers fc1 … fcL with an activation between them."""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["ACTIVATIONS", "MLP", "NORMS"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "celu": nn.functional.celu,
    "elu": nn.functional.elu,
    "gelu": nn.functional.gelu,
    "hardswish": nn.functional.hardswish,
    "hardtanh": nn.functional.hardtanh,
    "identity": lambda x: x,
    "leaky_relu": nn.functional.leaky_relu,
    "mish": nn.functional.mish,
    "relu": torch.relu,
    "relu6": nn.functional.relu6,
    "selu": nn.functional.selu,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
    "sin": torch.sin,
    "softplus": nn.functional.softplus,
    "softsign": nn.functional.softsign,
    "square": torch.square,
    "tanh": torch.tanh,
}
"""Elementwise activations by name, as in torch.nn.functional with default parameters."""

NORMS = ("none", "batch", "layer")
"""Normalizations between a weight layer and its activation."""


class MLP(nn.Module):
    """Fully connected network; `depth` counts weight layers, as the papers do.

    A hidden layer is weight, normalization and activation; the last layer is a weight alone.

    Args:
        input_dim: d.
        target_dim: t.
        width: Of the hidden layers.
        depth: Weight layers, at least 1; ``depth=8`` has seven hidden layers.
        bias: Whether layers have biases; the papers' networks have none.
        activation: One of `ACTIVATIONS`.
        norm: ``"none"``, ``"batch"`` (batch normalization) or ``"layer"`` (layer normalization).
        init: ``"he"`` draws normal weights of variance 2/fan_in (He et al. 2015), with which deep
            networks without biases learn from the start; ``"torch"`` is PyTorch's default, uniform
            with a sixth of that variance: slower to start, stable at larger learning rates, and
            too small for a network of depth 10 to learn.
        generator: Of the initial weights; None is torch's global generator.

    Raises:
        ArgumentError: A size is below 1, or ``activation``, ``norm`` or ``init`` is unknown.

    Example:
        >>> [name for name, _ in MLP(3, 2, width=4, depth=3).named_children()]
        ['fc1', 'fc2', 'fc3']
    """

    def __init__(
        self,
        input_dim: int,
        target_dim: int,
        *,
        width: int = 256,
        depth: int = 8,
        bias: bool = False,
        activation: str = "relu",
        norm: str = "none",
        init: str = "he",
        generator: torch.Generator | None = None,
    ) -> None:
        sizes = {"input_dim": input_dim, "target_dim": target_dim, "width": width, "depth": depth}
        for name, size in sizes.items():
            if size < 1:
                raise ArgumentError(f"{name} must be at least 1; got {size}")
        if init not in ("he", "torch"):
            raise ArgumentError(f"init must be 'he' or 'torch'; got {init!r}")
        if norm not in NORMS:
            raise ArgumentError(f"norm must be 'none', 'batch' or 'layer'; got {norm!r}")
        if activation not in ACTIVATIONS:
            raise ArgumentError(
                f"activation {activation!r} is not known: {did_you_mean(activation, ACTIVATIONS)}"
                f"known are {', '.join(ACTIVATIONS)}"
            )
        super().__init__()
        dims = [input_dim, *[width] * (depth - 1), target_dim]
        self.depth = depth
        self.activation = activation
        self.norm = norm
        for number, (fan_in, fan_out) in enumerate(itertools.pairwise(dims), start=1):
            # Without the default draw, which would move torch's global generator.
            layer = nn.utils.skip_init(  # type: ignore[no-untyped-call]  # torch leaves it so
                nn.Linear, fan_in, fan_out, bias=bias
            )
            if init == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            else:
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
            if bias:
                nn.init.zeros_(layer.bias)
            self.add_module(f"fc{number}", layer)
            if norm != "none" and number < depth:
                kind = nn.BatchNorm1d if norm == "batch" else nn.LayerNorm
                self.add_module(f"norm{number}", kind(fan_out))

    @property
    def readout(self) -> nn.Linear:
        """The last weight layer."""
        last = self.get_submodule(f"fc{self.depth}")
        assert isinstance(last, nn.Linear)
        return last

    def features(self, inputs: Tensor) -> Tensor:
        """What the last weight layer reads, N × width, of inputs N × d."""
        activation = ACTIVATIONS[self.activation]
        *hidden, _ = self.children()
        for layer in hidden:
            inputs = layer(inputs)
            if not isinstance(layer, nn.Linear) or self.norm == "none":
                inputs = activation(inputs)
        return inputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions, N × t, of inputs N × d."""
        predictions: Tensor = self.readout(self.features(inputs))
        return predictions
