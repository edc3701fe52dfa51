"""The papers' multi-layer perceptron: weight layers fc1 … fcL with ReLU between them."""

import itertools
import math

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError

__all__ = ["MLP"]


class MLP(nn.Module):
    """Fully connected ReLU network; `depth` counts weight layers, as the papers do.

    Args:
        input_dim: d.
        target_dim: t.
        width: Of the hidden layers.
        depth: Weight layers, at least 1; ``depth=8`` has seven hidden layers.
        bias: Whether layers have biases; the papers' have none.
        init: ``"he"`` draws normal weights of variance 2/fan_in (He et al. 2015), with which deep
            networks without biases start to learn at once; ``"torch"`` is PyTorch's default,
            uniform with a sixth of that variance: slower to start, stable at larger learning
            rates, and stalled at depth 10.
        generator: Source of the initial weights; None takes torch's global one.

    Raises:
        ArgumentError: A size is below 1, or an unknown ``init``.

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
        init: str = "he",
        generator: torch.Generator | None = None,
    ) -> None:
        sizes = {"input_dim": input_dim, "target_dim": target_dim, "width": width, "depth": depth}
        for name, size in sizes.items():
            if size < 1:
                raise ArgumentError(f"{name} must be at least 1; got {size}")
        if init not in ("he", "torch"):
            raise ArgumentError(f"init must be 'he' or 'torch'; got {init!r}")
        super().__init__()
        dims = [input_dim, *[width] * (depth - 1), target_dim]
        self.depth = depth
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

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions, N × t, of inputs N × d."""
        *hidden, last = self.children()
        for layer in hidden:
            inputs = torch.relu(layer(inputs))
        predictions: Tensor = last(inputs)
        return predictions
