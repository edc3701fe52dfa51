"""The weight layers of any network: find them, and read W as a matrix.

A weight layer is a linear layer or a convolution. Its features are its *input* ([RU26] names
layers so in its figures: fc1 … fc8, layer4.1.conv1, fc).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.utils import parametrize

from deepnrc.activations.selection import LayerSelector, selected_names
from deepnrc.errors import LayerError

__all__ = ["Skipped", "WeightLayer", "find_layers"]

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
    def feature_axis(self) -> int:
        """The axis of the features in what enters it, counted from the end."""
        return -1 - self.spatial_axes

    @property
    def weight_dtype(self) -> torch.dtype:
        """The weight's own dtype, before `weight_matrix` makes it float64."""
        return _weight(self.module).dtype

    @property
    def bias(self) -> Tensor | None:
        """What the layer adds, p; None where it adds nothing."""
        bias = getattr(self.module, "bias", None)
        return bias.detach().double().cpu() if isinstance(bias, Tensor) else None

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
    model: nn.Module, select: LayerSelector = None, exclude: LayerSelector = None
) -> tuple[tuple[WeightLayer, ...], tuple[Skipped, ...]]:
    """Weight layers in the order in which the model lists them, and what is left out and why.

    Args:
        model: Any module.
        select: Which of its weight layers; None selects all.
        exclude: Which of these to leave out.

    Returns:
        The selected layers, and the other modules with weights.

    Raises:
        LayerError: The model has no weight layer, a selector matches none, or a weight has no
            shape yet.
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
            f"{type(model).__name__} has no weight layer (nn.Linear or convolution) that takes "
            "hooks; scripted, exported and quantized models hide theirs: measure the original"
        )
    candidates = {layer.name: (layer.module, names[id(layer.module)]) for layer in layers}
    left_out: dict[str, str] = {}
    if select is not None:
        chosen = selected_names(select, model, candidates)
        left_out = {name: "not selected by layers=" for name in candidates if name not in chosen}
    if exclude is not None:
        unwanted = selected_names(exclude, model, candidates, option="exclude")
        left_out |= {name: "left out by exclude=" for name in candidates if name in unwanted}
    if len(left_out) == len(layers):
        raise LayerError("exclude= leaves no layer: name fewer")
    left = [Skipped(x.name, left_out[x.name]) for x in layers if x.name in left_out]
    return tuple(x for x in layers if x.name not in left_out), (*left, *others)


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
    """GPT-2's linear layer, whose weight is in × out; by name, so that nothing is imported."""
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
        return None  # a ParametrizationList is a part of its layer's weight
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return f"{kind}: looks up rows, takes no features"
    if isinstance(module, nn.MultiheadAttention):
        return f"{kind}: its input projections are not a module of their own"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return f"{kind}: recurrent weights take more than one input"
    if isinstance(module, torch.jit.ScriptModule):
        return f"{kind}: compiled by torch.jit, takes no hooks"
    return f"{kind}: holds weights but is neither linear nor a convolution"
