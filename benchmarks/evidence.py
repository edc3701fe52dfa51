"""What looking at the first batch costs: path, sample axis, effective weights, last layer.

Against one forward pass of that batch, and one forward and backward pass, in turn.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cases import mlp
from benchmarks.machine import header
from benchmarks.timing import interleaved
from deepnrc.activations.evidence.gather import gather
from deepnrc.activations.layers import find_layers
from deepnrc.models import resnet18


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """A network and a batch of each kind."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(256, 4, 512, batch_first=True)
    encoder = nn.Sequential(nn.TransformerEncoder(layer, 4, enable_nested_tensor=False))
    return {
        "8 x 256, batch 1024": (mlp(256), torch.randn(1024, 20)),
        "8 x 1024, batch 1024": (mlp(1024), torch.randn(1024, 20)),
        "ResNet-18 96 x 96, batch 32": (resnet18(2).eval(), torch.randn(32, 3, 96, 96)),
        "transformer 4 x 256, 32 x 64 tokens": (encoder.eval(), torch.randn(32, 64, 256)),
    }


def operations(function: Callable[[], object]) -> int:
    """Floating-point operations of products and convolutions."""
    counter = FlopCounterMode(display=False)
    with counter:
        function()
    return int(counter.get_total_flops())


def line(name: str, model: nn.Module, inputs: Tensor, rounds: int) -> str:
    """Ratios of time to a forward pass and to forward and backward; operations to a forward."""
    layers, _ = find_layers(model)

    def forward() -> Tensor:
        with torch.no_grad():
            outputs: Tensor = model(inputs)
        return outputs

    def both() -> None:
        model(inputs).square().mean().backward()

    def evidence() -> None:
        with torch.no_grad():
            gather(layers, lambda x: {"": model(x)}, inputs, len(inputs))

    base, ratios = interleaved(forward, {"evidence": evidence, "both": both}, rounds=rounds)
    count = operations(evidence) / operations(forward)
    return (
        f"  {name:36s} evidence/forward {ratios['evidence']}, by operations {count:.2f}; forward "
        f"and backward/forward {ratios['both']}  (forward {1e3 * base:.1f} ms)"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # its operations are not counted
    print(header("benchmarks.evidence"))
    for name, (model, inputs) in networks().items():
        print(line(name, model, inputs, options.rounds))


if __name__ == "__main__":
    main()
