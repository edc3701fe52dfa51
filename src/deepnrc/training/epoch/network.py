"""The network and the device that a configuration asks for."""

import torch
from torch import Tensor, nn

from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.models.registry import NETWORKS
from deepnrc.training.config.model import ModelConfig

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
        ArgumentError: The network does not take inputs of this shape, or its function fails or
            returns something else.
    """
    shape, options = tuple(inputs.shape[1:]), config.model_dump(exclude={"kind"})
    make = NETWORKS.find(config.kind)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            model = make(shape, target_dim, **options)
        except DeepNRCError:
            raise
        except Exception as error:
            raise ArgumentError(
                f"model.kind = '{config.kind}': its function fails for samples of shape {shape}, "
                f"{target_dim} targets and the options {options} ({type(error).__name__}: {error})"
            ) from error
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"model.kind = '{config.kind}': its function must return a torch.nn.Module; got "
            f"{type(model).__name__}"
        )
    return model


def find_device(name: str) -> torch.device:
    """The device of a name; ``"auto"`` is the GPU if there is one, otherwise the CPU.

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
            f"training.device = '{name}' is not available here "
            f"({str(error).splitlines()[0]}): choose 'cpu' or 'auto'"
        ) from error
    return device
