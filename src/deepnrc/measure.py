"""Measure Deep NRC: a model and a loader in, a frozen record of every metric at every layer out."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from deepnrc.batches import Forward, Unpack
from deepnrc.collect import Collection, LayerCollection, collect
from deepnrc.errors import ArgumentError
from deepnrc.layers import LayerSelector
from deepnrc.linalg import symmetric_spectrum
from deepnrc.measurement import LayerMeasurement, Measurement
from deepnrc.metrics.catalogue import CATALOGUE
from deepnrc.metrics.prediction import linear_fit
from deepnrc.metrics.proposition import Proposition1, proposition_1
from deepnrc.metrics.spectrum import energy_rank, noise_component_floor
from deepnrc.metrics.subspace import random_alignment
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.rows import Reduce

__all__ = ["evaluate", "measure"]


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: LayerSelector = None,
    reduce: Reduce = "mean",
    signal_rank: int | str | None = None,
    center: bool = True,
    intercept: bool = True,
    rtol: float = 1e-3,
    forward: Forward | None = None,
    unpack: Unpack | None = None,
    device: torch.device | str | None = None,
    precision: str = "mixed",
    progress: bool = True,
) -> Measurement:
    """Deep NRC of a model at every weight layer, in one pass over the data.

    Memory is Σ(d² + d·t) over the layers, whatever the number of samples. The model runs in
    evaluation mode without gradients; afterwards its hooks, training flags, buffers, gradients and
    all random states are as before, also when this raises or is interrupted.

    Args:
        model: Any module with linear layers or convolutions, on any device, of any real dtype.
        loader: Yields (inputs, targets); targets of shape (samples,) or (samples, t), or with
            ``reduce="samples"`` (samples, positions …, t). Inputs that are a mapping are passed as
            keywords, a tuple or list as several arguments.
        layers: Which layers: names or globs (``"encoder.*"``), module types, predicates of
            (name, module), or a list of these. None: all.
        reduce: How positions (tokens, pixels) become rows: ``"mean"``; ``"first"``, ``"last"`` or
            a number for one token; ``"samples"`` for each position a sample of its own; or a
            function of (layer name, activation).
        signal_rank: k, the dimension of the signal subspace in NRC1–3. None: the target dimension.
            ``"targets"``: the directions that hold 99 % of the targets' variance, for targets of
            low rank, whose missing directions features and weights cannot share.
        center: False takes the uncentred second moment in NRC1 and NRC3: for networks without
            biases on targets whose mean is not 0, where the mean carries signal.
        intercept: False predicts without an intercept in NRC4: what a network without biases can
            do.
        rtol: Singular values of the features below this share of the largest are dropped in NRC4;
            the least that takes effect is √(4·d·eps), 5e-7 at a width of 256.
        forward: (model, inputs) → predictions, for models that are not ``model(x)``.
        unpack: batch → (inputs, targets), for loaders that do not yield pairs.
        device: Where inputs go; None: the model's own device. The model is never moved.
        precision: ``"mixed"`` sums wide float32 features by deflation (NRC1 right to 1 % down to
            1e-9, other values to about 1e-7); ``"double"`` sums all in float64, at a third more
            time. float64 features are always summed in float64.
        progress: Show plan and bar when standard error is a terminal.

    Returns:
        The record; ``print`` shows it as a table.

    Raises:
        ArgumentError: An argument is of the wrong kind or range.
        LayerError: No weight layer, no match for ``layers``, or none was called.
        DataError: Empty loader, batches that are no pairs, rows and targets that do not pair up.
        NonFiniteError: NaN or infinity, with the layer or targets and the batch.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> inputs = torch.randn(100, 8)
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 2))
        >>> measurement = measure(model, [(inputs, inputs[:, :2])])
        >>> measurement["1"].width, round(measurement["1"].linear_r2, 6)
        (16, 1.0)

    References:
        [RU26] Rangamani and Unal, Deep Neural Regression Collapse, CPAL 2026, Table 1.
    """
    _check(signal_rank, rtol)
    collection = collect(
        model,
        loader,
        layers=layers,
        reduce=reduce,
        forward=forward,
        unpack=unpack,
        device=device,
        precision=precision,
        progress=progress,
    )
    return evaluate(
        collection, signal_rank=signal_rank, center=center, intercept=intercept, rtol=rtol
    )


def evaluate(
    collection: Collection,
    *,
    signal_rank: int | str | None = None,
    center: bool = True,
    intercept: bool = True,
    rtol: float = 1e-3,
) -> Measurement:
    """All metrics from what a pass collected; arguments as in `measure`. Needs no data."""
    _check(signal_rank, rtol)
    t = collection.targets.target_dim
    spectrum = symmetric_spectrum(collection.targets.target_covariance).values
    if isinstance(signal_rank, str):
        k = max(energy_rank(spectrum), 1)
    else:
        k = t if signal_rank is None else signal_rank
    undefined: dict[str, str] = {}
    mse = r2 = math.nan
    if collection.squared_error is None:
        undefined["model_mse"] = undefined["model_r2"] = collection.squared_error_reason
    else:
        mse = collection.squared_error / (collection.targets.count * t)
        variance = float(spectrum.sum())
        if variance > 0.0:
            r2 = 1.0 - mse * t / variance
        else:
            undefined["model_r2"] = "the targets are the same for every sample"
    return Measurement(
        model=collection.model,
        layers=tuple(
            _layer(layer, k, center=center, intercept=intercept, rtol=rtol)
            for layer in collection.layers
        ),
        samples=collection.targets.count,
        batches=collection.batches,
        target_dim=t,
        signal_rank=k,
        model_mse=mse,
        model_r2=r2,
        target_mean=tuple(collection.targets.target_mean.tolist()),
        target_eigenvalues=tuple(spectrum.tolist()),
        center=center,
        intercept=intercept,
        rtol=rtol,
        reduce=collection.reduce,
        precision=collection.precision,
        state_bytes=collection.state_bytes,
        skipped=collection.skipped,
        undefined=undefined,
    )


def _check(signal_rank: int | str | None, rtol: float) -> None:
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


def _layer(
    layer: LayerCollection, k: int, *, center: bool, intercept: bool, rtol: float
) -> LayerMeasurement:
    if layer.moments is None:
        return _unseen(layer, k)
    assert layer.dtype is not None
    view = LayerView(
        layer.moments,
        layer.weight,
        k,
        center=center,
        intercept=intercept,
        rtol=rtol,
        feature_eps=torch.finfo(layer.dtype).eps,
        weight_eps=torch.finfo(layer.weight_dtype).eps,
    )
    values: dict[str, float] = {}
    undefined: dict[str, str] = {}
    for metric in CATALOGUE.values():
        result = metric.compute(view)
        if isinstance(result, Undefined):
            values[metric.name], undefined[metric.name] = math.nan, result.reason
        else:
            values[metric.name] = result
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


def _unseen(layer: LayerCollection, k: int) -> LayerMeasurement:
    reason = (
        "the layer saw no rows: its forward was never called (not used by the model, or its "
        "weight is used directly by a fused kernel)"
    )
    names = [*CATALOGUE, "bound", "bound_residual"]
    nan: dict[str, float] = dict.fromkeys(CATALOGUE, math.nan)
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
    )
