"""The weight layers of any network: find them, and read W as a matrix.

A weight layer is a weight of a module of a known kind: `deepnrc.activations.kinds`. Its features
are what enters it ([RU26] names layers so in its figures: fc1 … fc8, layer4.1.conv1, fc).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from deepnrc.activations.kinds.find import parts_of, reason_to_skip
from deepnrc.activations.kinds.part import Part, Parts
from deepnrc.activations.nothing_to_measure import nothing_to_measure
from deepnrc.activations.selection import LayerSelector, selected_names
from deepnrc.errors import LayerError

__all__ = ["Skipped", "WeightLayer", "find_layers"]


@dataclass(frozen=True)
class Skipped:
    """A module that holds weights but is not measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class WeightLayer:
    """A weight of a model with what enters it: a linear layer, a convolution, a part of an LSTM.

    Attributes:
        name: Dotted module name; behind it the part's own, where the module has several.
        module: The module itself.
        part: Of the module.
        parts: All that is measured of the module.
    """

    name: str
    module: nn.Module
    part: Part
    parts: Parts

    @property
    def kind(self) -> str:
        """What it is: ``"linear"``, ``"linear_in_out"`` (stored so), ``"convolution"`` and more."""
        return self.part.kind

    @property
    def feature_dim(self) -> int:
        """Width d of the features that enter it (channels for a convolution)."""
        return self.part.feature_dim

    @property
    def spatial_axes(self) -> int:
        """Spatial axes of a convolution's input; 0 for others."""
        return self.part.spatial_axes

    @property
    def feature_axis(self) -> int:
        """The axis of the features in what enters it, counted from the end."""
        return -1 - self.spatial_axes

    @property
    def weight_dtype(self) -> torch.dtype:
        """The weight's own dtype, before `weight_matrix` makes it float64."""
        return self.part.weight().dtype

    @property
    def bias(self) -> Tensor | None:
        """What the layer adds, p; None where it adds nothing."""
        bias = self.part.bias()
        return bias.detach().double().cpu() if isinstance(bias, Tensor) else None

    def weight_matrix(self) -> Float64[Tensor, "p d"]:
        """W as a matrix that takes features in R^d, p × d, float64 on the CPU.

        A convolution's weight becomes (c_out · kernel) × c_in, zero across groups.
        """
        return self.part.matrix(self.part.weight().detach().double().cpu())


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
        LayerError: The model has no weight layer, a selector matches none, a weight has no shape
            yet, or one of a registered class is no matrix.
    """
    _refuse_lazy(model)
    names: dict[int, list[str]] = {}
    modules: dict[int, nn.Module] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
        modules[id(module)] = module
    found = {key: _parts(names[key][0], module) for key, module in modules.items()}
    claimed = {id(module) for parts in found.values() if parts for module in parts.claimed}
    layers, others = [], []
    candidates: dict[str, tuple[nn.Module, list[str]]] = {}
    for key, module in modules.items():
        parts = found[key]
        if key in claimed:
            continue
        if parts is not None:
            for part in parts.parts:
                own = [f"{name}.{part.suffix}".strip(".") for name in names[key]]
                layers.append(WeightLayer(own[0], module, part, parts))
                candidates[own[0]] = module, list(dict.fromkeys([*own, *names[key]]))
        elif reason := reason_to_skip(module):
            others.append(Skipped(names[key][0], reason))
    if not layers:
        raise LayerError(nothing_to_measure(model))
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


def _parts(name: str, module: nn.Module) -> Parts | None:
    try:
        return parts_of(module)
    except LayerError as error:
        raise LayerError(f"layer '{name}' {error}") from error
