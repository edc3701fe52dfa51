"""Load weights from a file into a model, whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from deepnrc.cli.checkpoint_file import listed, read_state
from deepnrc.cli.checkpoint_names import matched, under_prefix
from deepnrc.errors import FileError

__all__ = ["load_weights"]

_COUNTER = (
    "num_batches_tracked"  # of BatchNorm: older files lack it, and evaluation does not use it
)


def load_weights(
    model: nn.Module, path: Path, *, key: str | None = None, prefix: str | None = None
) -> None:
    """Load a checkpoint that holds exactly the weights of a model.

    What the model's own modules do to older checkpoints when they load them is done before the
    names are compared.

    Args:
        model: Changed in place; left as it was where the checkpoint does not fit.
        path: See `read_state`.
        key: See `read_state`.
        prefix: Only take what stands under it; None: what stands before all names is found.

    Raises:
        FileError: The file is missing, damaged, of another kind, or of another model.
    """
    state = read_state(path, key)
    if prefix is not None:
        state = under_prefix(state, prefix, path)
    own = {name: x for name, x in model.state_dict().items() if isinstance(x, Tensor)}
    state = matched(state, own)
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    before = {name: tensor.detach().clone() for name, tensor in own.items()}
    try:
        result = model.load_state_dict(state, strict=False)
        # Tied weights are stored once in safetensors; any of their names is accepted.
        stored = {own[name].data_ptr() for name in state if name in own and own[name].numel()}
        missing = [
            name
            for name in result.missing_keys
            if name in own and own[name].data_ptr() not in stored
        ]
        _check_names(missing, result.unexpected_keys, path)
    except Exception as error:
        model.load_state_dict(before, strict=False)
        if isinstance(error, FileError):
            raise
        reason = f"has other shapes: {listed(shapes)}" if shapes else f"is refused: {error}"
        raise FileError(f"checkpoint '{path}' {reason}: it does not fit --model") from error


def _check_names(missing: Iterable[str], unknown: Iterable[str], path: Path) -> None:
    lacks, holds = listed(missing), listed(unknown)
    advice = "it does not fit --model (choose weights of it with --key and --prefix)"
    if lacks and holds:
        raise FileError(f"checkpoint '{path}' holds {holds} where the model has {lacks}: {advice}")
    if lacks:
        raise FileError(f"checkpoint '{path}' lacks {lacks}: it does not fit --model")
    if holds:
        raise FileError(
            f"checkpoint '{path}' holds weights that the model does not have: {holds}: {advice}"
        )
