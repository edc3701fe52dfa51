"""A model held for a pass: one whose layers can be run and hooked, used by nobody else."""

import contextlib
from collections.abc import Iterator

from torch import nn

from deepnrc.activations.exclusive import exclusive
from deepnrc.errors import ArgumentError, LayerError

__all__ = ["measurable"]


@contextlib.contextmanager
def measurable(model: nn.Module) -> Iterator[nn.Module]:
    """Context manager that gives the module itself, of a compiled one what was compiled.

    Raises:
        ArgumentError: The model is no module.
        LayerError: The model is on the meta device, is an exported graph, or is being measured.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    parameters = list(model.parameters())
    if parameters and all(parameter.is_meta for parameter in parameters):
        raise LayerError(
            f"model {type(model).__name__} is on the meta device, where weights have no values: "
            "make it on a real device, or load its weights with to_empty and load_state_dict"
        )
    with exclusive(model):
        try:
            yield model
        except NotImplementedError as error:
            if "eval()" not in str(error):
                raise
            raise LayerError(
                f"model is an exported graph ({type(model).__name__}), whose layers take no "
                "hooks: measure the module that was exported"
            ) from error
