"""The weight layers of any network: find them, read W as a matrix, turn activations into rows.

A weight layer is a linear map or a convolution; its features are its *input* ([RU26]: the axis
labels fc1 … fc8, layer4.1.conv1, fc).
"""

import difflib
import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deepnrc.errors import LayerError

__all__ = ["LayerSelector", "Skipped", "WeightLayer", "find_layers"]

LayerSelector = (
    str | type[nn.Module] | Callable[[str, nn.Module], bool] | Iterable["LayerSelector"] | None
)
"""What ``layers=`` takes: a name or glob, a module type, a predicate of (name, module), several."""

_CONVOLUTIONS: dict[type[nn.Module], tuple[int, bool]] = {
    nn.Conv1d: (1, False),
    nn.Conv2d: (2, False),
    nn.Conv3d: (3, False),
    nn.ConvTranspose1d: (1, True),
    nn.ConvTranspose2d: (2, True),
    nn.ConvTranspose3d: (3, True),
}


@dataclass(frozen=True)
class Skipped:
    """A module that holds weights but is not measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class WeightLayer:
    """A linear layer or a convolution of a model.

    Attributes:
        name: Dotted module name.
        module: The module itself.
        kind: ``"linear"``, ``"linear_in_out"`` (weight stored in × out) or ``"convolution"``.
        feature_dim: Width d of the features that enter it (channels for a convolution).
    """

    name: str
    module: nn.Module
    kind: str
    feature_dim: int

    @property
    def spatial_axes(self) -> int:
        """Spatial axes of a convolution's input; 0 for a linear layer."""
        facts = _convolution(self.module)
        return facts[0] if facts else 0

    @property
    def weight_dtype(self) -> torch.dtype:
        """The weight's own dtype, before `weight_matrix` makes it float64."""
        return _weight(self.module).dtype

    def weight_matrix(self) -> Float64[Tensor, "p d"]:
        """W as a matrix that takes features in R^d, p × d, float64 on the CPU.

        A convolution's weight becomes (c_out · kernel) × c_in, zero across groups.
        """
        weight = _weight(self.module).detach().double().cpu()
        if self.kind == "linear":
            return weight
        if self.kind == "linear_in_out":
            return weight.T
        groups = _whole(self.module, "groups")
        facts = _convolution(self.module)
        if facts and not facts[1]:
            # (out, in/groups, *k): group g takes its own in/groups channels.
            blocks = weight.reshape(groups, -1, weight.shape[1], weight[0, 0].numel())
            blocks = blocks.permute(0, 1, 3, 2).flatten(1, 2)
        else:
            # (in, out/groups, *k).
            blocks = weight.reshape(groups, -1, weight[0].numel()).transpose(1, 2)
        matrix: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
        return matrix


def find_layers(
    model: nn.Module, select: LayerSelector = None
) -> tuple[tuple[WeightLayer, ...], tuple[Skipped, ...]]:
    """Weight layers in the order the model lists them, and what was left out and why.

    Args:
        model: Any module.
        select: Which of its weight layers; None takes all. A string is a name or a glob
            (``"encoder.*"``), a type is matched with isinstance, a predicate gets (name, module),
            and a sequence takes what any of its members takes.

    Returns:
        The selected layers, and the modules with weights that are not among them.

    Raises:
        LayerError: There is none, a name or glob matches none, a named module is no weight
            layer, or a weight has no shape yet.
    """
    _refuse_lazy(model)
    names: dict[int, list[str]] = {}
    modules: dict[int, nn.Module] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
        modules[id(module)] = module
    layers, others = [], []
    for key, module in modules.items():
        layer = _as_layer(names[key][0], module)
        if layer is not None:
            layers.append(layer)
        elif reason := _reason_to_skip(module):
            others.append(Skipped(names[key][0], reason))
    if not layers:
        raise LayerError(
            f"{type(model).__name__} has no weight layer (nn.Linear or convolution) that can be "
            "hooked; scripted, exported and quantized models hide theirs: measure the original"
        )
    if select is None:
        return tuple(layers), tuple(others)
    aliases = {layer.name: names[id(layer.module)] for layer in layers}
    chosen: set[str] = set()
    selectors = _flat(select)
    if not selectors:
        raise LayerError("layers is empty: name a layer, or pass None to take all")
    for selector in selectors:
        taken = {layer.name for layer in layers if _takes(selector, layer, aliases[layer.name])}
        if not taken:
            raise LayerError(_unmatched(selector, model, list(aliases)))
        chosen |= taken
    left = [Skipped(x.name, "not selected by layers=") for x in layers if x.name not in chosen]
    return tuple(x for x in layers if x.name in chosen), (*left, *others)


def _refuse_lazy(model: nn.Module) -> None:
    for name, module in model.named_modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(map(nn.parameter.is_lazy, own)):
            raise LayerError(
                f"layer '{name}' ({type(module).__name__}) has no weight yet: "
                "run the model once on a batch before measuring it"
            )


def _as_layer(name: str, module: nn.Module) -> WeightLayer | None:
    weight = getattr(module, "weight", None)
    # A quantized weight is packed into integers, a sharded one is flat.
    if not isinstance(weight, Tensor) or not weight.is_floating_point() or weight.ndim < 2:
        return None
    if isinstance(module, nn.Linear):
        return WeightLayer(name, module, "linear", weight.shape[1])
    if _convolution(module) is not None:
        return WeightLayer(name, module, "convolution", _whole(module, "in_channels"))
    if _is_transformers_conv1d(module):
        return WeightLayer(name, module, "linear_in_out", weight.shape[0])
    return None


def _convolution(module: nn.Module) -> tuple[int, bool] | None:
    """(spatial axes, transposed) of a convolution, None for anything else."""
    return next((facts for kind, facts in _CONVOLUTIONS.items() if isinstance(module, kind)), None)


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _whole(module: nn.Module, attribute: str) -> int:
    value = getattr(module, attribute)
    assert isinstance(value, int)
    return value


def _is_transformers_conv1d(module: nn.Module) -> bool:
    """GPT-2's linear layer with its weight stored in × out, told by name: no import needed."""
    return any(
        kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils"
        for kind in type(module).__mro__
    )


def _reason_to_skip(module: nn.Module) -> str | None:
    kind = type(module).__name__
    if isinstance(module, nn.Linear) or _convolution(module) is not None:
        return f"{kind}: its weight is not a matrix of real numbers (quantized or sharded)"
    own = [p for p in module.parameters(recurse=False) if p.ndim >= 2]
    if not own or isinstance(module, parametrize.ParametrizationList):
        return None  # the latter holds what the weight of its layer is made of
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return f"{kind}: looks rows up, takes no features"
    if isinstance(module, nn.MultiheadAttention):
        return f"{kind}: its input projections are not a module of their own"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return f"{kind}: recurrent weights take more than one input"
    if isinstance(module, torch.jit.ScriptModule):
        return f"{kind}: compiled by torch.jit, takes no hooks"
    return f"{kind}: holds weights but is neither linear nor a convolution"


def _flat(select: LayerSelector) -> list[str | type[nn.Module] | Callable[..., bool]]:
    if isinstance(select, nn.Module):
        raise LayerError(
            f"layers takes names, not modules; got a {type(select).__name__}: pass its name as "
            "model.named_modules() lists it"
        )
    if isinstance(select, str | type) or callable(select):
        return [select]
    if not isinstance(select, Iterable):
        raise LayerError(
            "layers must be a name, a glob, a module type, a predicate or several of these; "
            f"got {type(select).__name__}"
        )
    return [one for part in select for one in _flat(part)]


def _takes(selector: object, layer: WeightLayer, names: list[str]) -> bool:
    if isinstance(selector, str):
        return any(fnmatch.fnmatchcase(name, selector) for name in names)
    if isinstance(selector, type):
        return isinstance(layer.module, selector)
    assert callable(selector)
    return any(bool(selector(name, layer.module)) for name in names)


def _unmatched(selector: object, model: nn.Module, names: list[str]) -> str:
    listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    if isinstance(selector, type):
        return f"layers={selector.__name__} takes no weight layer; there are: {listing}"
    if not isinstance(selector, str):
        return f"the predicate given as layers takes no weight layer; there are: {listing}"
    module = dict(model.named_modules(remove_duplicate=False)).get(selector)
    if module is not None:
        return (
            f"layer '{selector}' is a {type(module).__name__}: only the inputs of linear layers "
            f"and convolutions are measured; there are: {listing}"
        )
    near = difflib.get_close_matches(selector, names, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"layers={selector!r} matches no weight layer{hint}; there are: {listing}"
