"""Every metric of one layer, from its moments and its weight."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE, computed, split_undefined
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.metric import Metric
from deepnrc.metrics.prediction import LinearFit, linear_fit
from deepnrc.metrics.proposition import proposition_1
from deepnrc.metrics.spectrum import noise_component_floor
from deepnrc.metrics.subspace import random_alignment
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.passes.options import MeasureOptions
from deepnrc.results.layer_measurement import ClassCollapse, LayerMeasurement
from deepnrc.results.signal_values import signal_values
from deepnrc.support.text import counted

__all__ = ["layer_measurement", "layer_view"]

_UNSEEN = (
    "the layer saw no rows: its forward was never called (not used by the model, or its weight is "
    "used directly by a fused kernel)"
)

_BOUNDS = ("bound_residual", "bound", "spectral_bound")


def layer_view(layer: LayerCollection, options: MeasureOptions, signal_rank: int) -> LayerView:
    """What the metrics see of a layer that was called."""
    assert layer.moments is not None
    assert layer.dtype is not None
    return LayerView(
        layer.moments,
        layer.weight,
        signal_rank,
        center=options.center,
        intercept=options.intercept,
        rcond=options.rcond,
        feature_eps=torch.finfo(layer.dtype).eps,
        weight_eps=torch.finfo(layer.weight_dtype).eps,
    )


def layer_measurement(
    layer: LayerCollection,
    collection: Collection,
    options: MeasureOptions,
    signal_rank: int,
    target_rank: int | None = None,
) -> LayerMeasurement:
    """The record of a layer; all of it undefined where it gave no rows.

    Args:
        layer: What the passes gave of it.
        collection: Of all layers.
        options: How to look at it.
        signal_rank: k.
        target_rank: Also evaluate the conditions at this k; None: at no other.
    """
    if layer.moments is None:
        return _unseen(layer, options, signal_rank)
    view = layer_view(layer, options, signal_rank)
    found, undefined = computed(CATALOGUE.values(), view)
    values: dict[str, Any] = dict(found)
    extra, reasons = split_undefined({x.name: _own(x, view) for x in options.metrics})
    undefined |= reasons
    proposition, fit = proposition_1(view), linear_fit(view)
    bounds: dict[str, Any] = {}
    if isinstance(proposition, Undefined):
        undefined |= dict.fromkeys(_BOUNDS, proposition.reason)
    else:
        both = (proposition.residual, proposition.published, proposition.spectral)
        bounds = dict(zip(_BOUNDS, both, strict=True))
    if "feature_weight_alignment" not in undefined:
        bounds["random_alignment"] = random_alignment(view.width, view.alignment_rank)
    return LayerMeasurement(
        name=layer.name,
        kind=layer.kind,
        width=view.width,
        rows=layer.rows,
        calls=layer.calls,
        signal_rank=view.signal_dim,
        alignment_rank=view.alignment_rank if "random_alignment" in bounds else 0,
        **values,
        **bounds,
        noise_component_floor=noise_component_floor(view),
        linear_prediction_floor=fit.floor,
        linear_prediction_rank=fit.rank,
        eigenvalues=tuple(view.covariance_spectrum.values.tolist()),
        undefined=undefined,
        notes=(*layer.notes, *_notes(view, fit, undefined)),
        role="path" if layer.on_path else "side",
        weight_source=layer.weight_source,
        depth=layer.depth,
        collapse=_collapse(layer, view, collection),
        extra=extra,
        at_target_rank=None if target_rank is None else signal_values(_at(view, target_rank)),
    )


def _own(metric: Metric[LayerView], view: LayerView) -> float | Undefined:
    """A metric of the user's own; undefined where it wants a weight and there is none."""
    try:
        return metric.compute(view)
    except (AssertionError, AttributeError, TypeError):  # what an `Undefined` in its place gives
        if isinstance(view.weight, Undefined):
            return view.weight
        raise


def _at(view: LayerView, signal_rank: int) -> LayerView:
    """The same view at a smaller k; spectra that were taken are kept."""
    other = replace(view, signal_rank=signal_rank)
    taken = {name: value for name, value in vars(view).items() if name.endswith("_spectrum")}
    vars(other).update(taken)
    return other


def _collapse(
    layer: LayerCollection, view: LayerView, collection: Collection
) -> ClassCollapse | None:
    if layer.classes is None or layer.spread is None:
        return None
    class_view = ClassView(
        view,
        layer.classes,
        layer.spread.within,
        is_output=collection.output_layer is layer,
        agreeing=layer.spread.agreeing,
    )
    values, undefined = computed(CLASS_CATALOGUE.values(), class_view)
    return ClassCollapse(**values, undefined=undefined)


def _notes(view: LayerView, fit: LinearFit, undefined: Mapping[str, str]) -> Iterator[str]:
    k = view.signal_rank
    if view.signal_dim < k:
        yield f"NRC2 uses all {view.width} directions of the layer: the signal rank is {k}"
    if "feature_weight_alignment" not in undefined and view.alignment_rank < k:
        compared = counted(view.alignment_rank, "direction")
        yield (
            f"NRC3 compares {compared}, not {k}: width {view.width}, rank of "
            f"the features {view.feature_rank}, rank of the weight {view.weight_rank}"
        )
    samples = view.moments.count - (1 if view.intercept else 0)
    if fit.rank >= samples > 0:
        yield f"NRC4 fits {fit.rank} directions to {view.moments.count} rows: it interpolates"
    yield from _dropped(view, fit)


def _dropped(view: LayerView, fit: LinearFit) -> Iterator[str]:
    """Which directions the linear prediction lacks, and why."""
    kept = f"NRC4 predicts from {fit.rank} of {counted(view.width, 'direction')}"
    if fit.below_cut:
        are, they, _ = _as_many(fit.below_cut)
        yield (
            f"{kept}: {fit.below_cut} below rcond={view.rcond:g} of the largest {are} dropped, and "
            f"what {they} would add to the prediction"
        )
    if fit.unresolved:
        are, they, them = _as_many(fit.unresolved)
        single = bool((view.moments.single_scatter > 0).any())
        more = '; precision="double" resolves more' if single else ""
        yield (
            f"{kept}: {fit.unresolved} {are} so small beside the others that rounding hides "
            f"{them}, and what {they} would add to the prediction is not known{more}"
        )


def _as_many(count: int) -> tuple[str, str, str]:
    return ("is", "it", "it") if count == 1 else ("are", "they", "them")


def _unseen(layer: LayerCollection, options: MeasureOptions, signal_rank: int) -> LayerMeasurement:
    names = [*CATALOGUE, *_BOUNDS, *(metric.name for metric in options.metrics)]
    classify = options.task == "classification"
    reason = _UNSEEN if layer.unpaired is None else layer.unpaired.reason
    return LayerMeasurement(
        name=layer.name,
        kind=layer.kind,
        width=layer.width,
        rows=0,
        calls=layer.calls,
        signal_rank=signal_rank,
        alignment_rank=0,
        undefined=dict.fromkeys(names, reason),
        collapse=ClassCollapse(undefined=dict.fromkeys(CLASS_CATALOGUE, reason))
        if classify
        else None,
        extra=dict.fromkeys((metric.name for metric in options.metrics), float("nan")),
        role="uncalled" if layer.unpaired is None else "unpaired",
        depth=layer.depth,
    )
