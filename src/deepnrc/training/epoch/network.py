"""The network and the device that a configuration asks for."""

import torch
from torch import Tensor, nn

from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError
from deepnrc.models.mlp import MLP
from deepnrc.models.resnet import resnet18, resnet34
from deepnrc.training.config.experiment import MLPConfig, ModelConfig

__all__ = ["find_device", "make_model"]


def make_model(
    config: ModelConfig, inputs: Tensor | ImageRows, target_dim: int, *, seed: int
) -> nn.Module:
    """The untrained network for such inputs, on the CPU; the seed alone fixes its weights.

    Args:
        config: The network.
        inputs: N × d for an MLP, N × channels × height × width for a ResNet.
        target_dim: t.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ArgumentError: The network does not take inputs of this shape.
    """
    shape = tuple(inputs.shape)
    axes = 2 if isinstance(config, MLPConfig) else 4
    if len(shape) != axes:
        wanted, instead = ("rows of numbers", "resnet18") if axes == 2 else ("images", "mlp")
        raise ArgumentError(
            f"model.kind = '{config.kind}' takes {wanted}, but the inputs have the shape {shape}: "
            f"choose model.kind = '{instead}' or another data set"
        )
    if isinstance(config, MLPConfig):
        return MLP(
            shape[1],
            target_dim,
            width=config.width,
            depth=config.depth,
            bias=config.bias,
            activation=config.activation,
            norm=config.norm,
            init=config.init,
            generator=torch.Generator().manual_seed(seed),
        )
    make = resnet18 if config.kind == "resnet18" else resnet34
    with torch.random.fork_rng(devices=[]):  # convolutions are drawn from the global generator
        torch.manual_seed(seed)
        return make(target_dim, channels=shape[1], head=config.head)


def find_device(name: str) -> torch.device:
    """The device of a name; ``"auto"`` is the GPU where there is one, otherwise the CPU.

    Raises:
        ArgumentError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(
            f"training.device = '{name}' is not to be had here "
            f"({str(error).splitlines()[0]}): choose 'cpu' or 'auto'"
        ) from error
    return device
