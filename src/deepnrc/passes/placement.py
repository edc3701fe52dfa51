"""Where the layers that a pass saw stand on the way from the inputs to the predictions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from deepnrc.activations.evidence.gather import BatchEvidence
from deepnrc.passes.collection import LayerCollection
from deepnrc.passes.single_pass import Pass

__all__ = ["last_layer_name", "placed_layers"]


def placed_layers(
    called: Iterable[LayerCollection],
    evidence: BatchEvidence,
    notes: Mapping[str, str],
    head: str = "",
) -> list[LayerCollection]:
    """Layers on the way to a head's predictions first, from the inputs on; then side branches."""

    def by_depth(layer: LayerCollection) -> tuple[bool, int]:
        return not layer.on_path, layer.depth if layer.on_path else 0

    return sorted((_placed(layer, evidence, notes, head) for layer in called), key=by_depth)


def last_layer_name(one: Pass, layers: Sequence[LayerCollection], target_dim: int) -> str | None:
    """The layer whose output is the prediction; by its shape where predictions are not known.

    Args:
        one: That was run, the first.
        layers: That it saw, with their places.
        target_dim: t.
    """
    on_path = [x.name for x in layers if x.on_path and not x.unpaired]
    found = [name for name in on_path if name in one.last]
    if not found and (one.without_predictions or one.classify):
        found = [x.name for x in layers if x.name in on_path and x.outputs == target_dim]
    return found[-1] if found else None


def _placed(
    layer: LayerCollection, evidence: BatchEvidence, found: Mapping[str, str], head: str
) -> LayerCollection:
    """The layer with its place among the others, as the evidence shows it."""
    name, _, number = layer.name.partition("#")
    trail = evidence.layers.get(name)
    if trail is None:
        return layer
    notes = layer.notes + ((found[name],) if name in found else ())
    if trail.calls > 1 and "#" not in layer.name:
        notes += (f"{trail.calls} calls a batch are pooled: calls='separate' tells them apart",)
    depth, heads = trail.at(int(number) - 1 if number else None)
    return replace(layer, depth=depth, on_path=head in heads, notes=notes)
