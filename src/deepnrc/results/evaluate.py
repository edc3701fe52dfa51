"""From what the passes collected to every metric: no data needed any more."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from deepnrc.errors import ArgumentError
from deepnrc.linalg.energy import energy_rank
from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE, Metric
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.last_layer import LastLayer, last_layer_record
from deepnrc.metrics.prediction import linear_fit
from deepnrc.metrics.proposition import Proposition1, proposition_1
from deepnrc.metrics.spectrum import noise_component_floor
from deepnrc.metrics.subspace import random_alignment
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.results.measurement import ClassCollapse, LayerMeasurement, Measurement

__all__ = ["check_settings", "evaluate"]

View = TypeVar("View")


@dataclass(frozen=True)
class _Settings:
    """How every layer is looked at, see `deepnrc.measure`."""

    signal_rank: int
    center: bool
    intercept: bool
    rtol: float


def check_settings(signal_rank: int | str | None, rtol: float) -> None:
    """Refuse settings out of range, before any data is read.

    Raises:
        ArgumentError: With the argument and its range.
    """
    known = signal_rank is None or signal_rank == "targets"
    if isinstance(signal_rank, int) and not isinstance(signal_rank, bool):
        known = signal_rank >= 1
    if not known:
        raise ArgumentError(
            "signal_rank must be a whole number of at least 1, 'targets' for the targets' own "
            f"rank, or None for the target dimension; got {signal_rank!r}"
        )
    if not isinstance(rtol, int | float) or not 0.0 <= rtol < 1.0:
        raise ArgumentError(f"rtol must be at least 0 and below 1; got {rtol!r}")


def evaluate(
    collection: Collection,
    *,
    signal_rank: int | str | None = None,
    center: bool = True,
    intercept: bool = True,
    rtol: float = 1e-3,
) -> Measurement:
    """All metrics from what was collected; arguments as in `deepnrc.measure`. Needs no data."""
    check_settings(signal_rank, rtol)
    targets, t = collection.targets, collection.targets.target_dim
    spectrum = symmetric_spectrum(targets.target_covariance).values
    settings = _Settings(_signal_rank(collection, signal_rank), center, intercept, rtol)
    undefined: dict[str, str] = {}
    mse = r2 = math.nan
    if collection.squared_error is None:
        undefined["model_mse"] = undefined["model_r2"] = collection.squared_error_reason
    else:
        mse = collection.squared_error / (targets.count * t)
        variance = float(spectrum.sum())
        if variance > 0.0:
            r2 = 1.0 - mse * t / variance
        else:
            undefined["model_r2"] = "the targets are the same for every sample"
    accuracy = None
    if collection.task == "classification":
        accuracy = math.nan if collection.correct is None else collection.correct / targets.count
        if collection.correct is None:
            undefined["accuracy"] = collection.correct_reason
    last_layer = _last_layer(collection, settings)
    if isinstance(last_layer, Undefined):
        undefined["last_layer"] = last_layer.reason
    return Measurement(
        model=collection.model,
        layers=tuple(_layer(layer, settings, collection) for layer in collection.layers),
        samples=targets.count,
        batches=collection.batches,
        target_dim=t,
        signal_rank=settings.signal_rank,
        model_mse=mse,
        model_r2=r2,
        target_mean=tuple(targets.target_mean.tolist()),
        target_eigenvalues=tuple(spectrum.tolist()),
        center=center,
        intercept=intercept,
        rtol=rtol,
        reduce=collection.reduce,
        precision=collection.precision,
        state_bytes=collection.state_bytes,
        skipped=collection.skipped,
        undefined=undefined,
        task=collection.task,
        last_layer=None if isinstance(last_layer, Undefined) else last_layer,
        class_counts=collection.class_counts,
        accuracy=accuracy,
    )


def _signal_rank(collection: Collection, asked: int | str | None) -> int:
    if isinstance(asked, int):
        return asked
    if asked is None:
        t = collection.targets.target_dim
        return t - 1 if collection.task == "classification" else t
    spectrum = symmetric_spectrum(collection.targets.target_covariance).values
    return energy_rank(spectrum.tolist()) or 1


def _view(layer: LayerCollection, settings: _Settings, *, signal_rank: int) -> LayerView:
    assert layer.moments is not None
    assert layer.dtype is not None
    return LayerView(
        layer.moments,
        layer.weight,
        signal_rank,
        center=settings.center,
        intercept=settings.intercept,
        rtol=settings.rtol,
        feature_eps=torch.finfo(layer.dtype).eps,
        weight_eps=torch.finfo(layer.weight_dtype).eps,
    )


def _last_layer(collection: Collection, settings: _Settings) -> LastLayer | Undefined:
    t, layer = collection.targets.target_dim, collection.output_layer
    if collection.task == "classification":
        return Undefined("the conditions of 2024 are for regression")
    if layer is None:
        rows = "one row" if t == 1 else f"{t} rows"
        return Undefined(f"no layer that was measured has a weight of {rows}, one for each target")
    return last_layer_record(
        layer.name,
        _view(layer, settings, signal_rank=t),
        layer.directions,
        variant=collection.last_layer,
        squared_errors=collection.squared_errors,
        squared_error_reason=collection.squared_error_reason,
    )


def _collapse(
    layer: LayerCollection, view: LayerView, collection: Collection
) -> ClassCollapse | None:
    if layer.classes is None or layer.second_look is None:
        return None
    class_view = ClassView(
        view,
        layer.classes,
        layer.second_look.spread,
        is_output=collection.output_layer is layer,
        agreeing=layer.second_look.agreeing,
        agreement_reason=layer.second_look.reason,
    )
    values, undefined = _computed(CLASS_CATALOGUE, class_view)
    return ClassCollapse(**values, undefined=undefined)


def _computed(
    catalogue: Mapping[str, Metric[View]], view: View
) -> tuple[dict[str, float], dict[str, str]]:
    """Value of every metric, NaN where undefined, and the reasons."""
    values: dict[str, float] = {}
    undefined: dict[str, str] = {}
    for metric in catalogue.values():
        result = metric.compute(view)
        if isinstance(result, Undefined):
            values[metric.name], undefined[metric.name] = math.nan, result.reason
        else:
            values[metric.name] = result
    return values, undefined


def _layer(layer: LayerCollection, settings: _Settings, collection: Collection) -> LayerMeasurement:
    if layer.moments is None:
        return _unseen(layer, settings.signal_rank, collection)
    view = _view(layer, settings, signal_rank=settings.signal_rank)
    values, undefined = _computed(CATALOGUE, view)
    bound = proposition_1(view)
    if isinstance(bound, Undefined):
        undefined["bound"] = undefined["bound_residual"] = bound.reason
        bound = Proposition1(math.nan, math.nan)
    fit = linear_fit(view)
    aligned = 0 if "feature_weight_alignment" in undefined else view.alignment_k
    return LayerMeasurement(
        name=layer.name,
        kind=layer.kind,
        width=view.width,
        rows=layer.rows,
        calls=layer.calls,
        signal_rank=view.feature_k,
        alignment_rank=aligned,
        **values,
        random_alignment=random_alignment(view.width, aligned) if aligned else math.nan,
        noise_component_floor=noise_component_floor(view),
        linear_prediction_floor=fit.floor,
        linear_prediction_rank=fit.rank,
        bound_residual=bound.residual,
        bound=bound.bound,
        eigenvalues=tuple(view.covariance_spectrum.values.tolist()),
        undefined=undefined,
        notes=tuple(_notes(view, fit.rank, undefined)),
        collapse=_collapse(layer, view, collection),
    )


def _notes(view: LayerView, rank: int, undefined: Mapping[str, str]) -> Iterator[str]:
    k = view.signal_rank
    if view.feature_k < k:
        yield f"NRC2 uses all {view.width} directions of the layer: the signal rank is {k}"
    if "feature_weight_alignment" not in undefined and view.alignment_k < k:
        yield (
            f"NRC3 compares {view.alignment_k} directions, not {k}: width {view.width}, rank of "
            f"the features {view.feature_rank}, rank of the weight {view.weight_rank}"
        )
    samples = view.moments.count - (1 if view.intercept else 0)
    if rank >= samples > 0:
        yield f"NRC4 fits {rank} directions to {view.moments.count} rows: it interpolates"


def _unseen(layer: LayerCollection, k: int, collection: Collection) -> LayerMeasurement:
    reason = (
        "the layer saw no rows: its forward was never called (not used by the model, or its "
        "weight is used directly by a fused kernel)"
    )
    names = [*CATALOGUE, "bound", "bound_residual"]
    nan: dict[str, float] = dict.fromkeys(CATALOGUE, math.nan)
    collapse = None
    if collection.task == "classification":
        nothing: dict[str, float] = dict.fromkeys(CLASS_CATALOGUE, math.nan)
        collapse = ClassCollapse(**nothing, undefined=dict.fromkeys(CLASS_CATALOGUE, reason))
    return LayerMeasurement(
        name=layer.name,
        kind=layer.kind,
        width=layer.weight.shape[1],
        rows=0,
        calls=layer.calls,
        signal_rank=k,
        alignment_rank=0,
        **nan,
        random_alignment=math.nan,
        noise_component_floor=math.nan,
        linear_prediction_floor=math.nan,
        linear_prediction_rank=0,
        bound_residual=math.nan,
        bound=math.nan,
        eigenvalues=(),
        undefined=dict.fromkeys(names, reason),
        notes=(),
        collapse=collapse,
    )
