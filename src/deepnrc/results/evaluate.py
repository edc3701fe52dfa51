"""From what the passes collected to every metric: no data needed any more."""

from typing import Any

from deepnrc.linalg.energy import energy_rank
from deepnrc.linalg.spectra import symmetric_spectrum, unit_spectrum
from deepnrc.metrics.catalogue import split_undefined
from deepnrc.metrics.evaluate_last_layer import last_layer_record
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.metrics.view import Undefined
from deepnrc.moments.record import Moments
from deepnrc.passes.collection import Collection
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.results.evaluate_layer import layer_measurement, layer_view
from deepnrc.results.measurement import Measurement

__all__ = ["evaluate"]


@takes_options
def evaluate(collection: Collection, **options: Any) -> Measurement:
    """All metrics from what was collected; needs no data.

    Args:
        collection: From `deepnrc.collect`.
        options: See `MeasureOptions`.

    Returns:
        The record, as of `deepnrc.measure`.

    Raises:
        ArgumentError: An option is out of range, or is none of those that need no data:
            ``signal_rank``, ``center``, ``intercept``, ``rcond`` and ``metrics``.
    """
    chosen = collection.options.changed(options)
    targets = collection.targets
    eigenvalues = symmetric_spectrum(targets.target_covariance).values.tolist()
    k = _signal_rank(chosen, eigenvalues)
    r = _target_rank(chosen, targets)
    values, undefined = split_undefined(_own_predictions(collection, sum(eigenvalues)))
    own: dict[str, Any] = dict(values)
    last_layer = _last_layer(collection, chosen)
    if isinstance(last_layer, Undefined):
        undefined["last_layer"] = last_layer.reason
    return Measurement(
        model=collection.model,
        layers=tuple(layer_measurement(x, collection, chosen, k, r) for x in collection.layers),
        samples=targets.count,
        batches=collection.batches,
        target_dim=targets.target_dim,
        signal_rank=k,
        target_mean=tuple(targets.target_mean.tolist()),
        target_eigenvalues=tuple(eigenvalues),
        state_bytes=collection.state_bytes,
        skipped=collection.skipped,
        undefined=undefined,
        last_layer=None if isinstance(last_layer, Undefined) else last_layer,
        class_counts=collection.class_counts,
        notes=collection.notes,
        **chosen.described(),
        **own,
    )


def _signal_rank(options: MeasureOptions, target_eigenvalues: list[float]) -> int:
    if isinstance(options.signal_rank, int):
        return options.signal_rank
    if options.signal_rank == "targets":
        return energy_rank(target_eigenvalues) or 1
    return len(target_eigenvalues) - (options.task == "classification")


def _target_rank(options: MeasureOptions, targets: Moments) -> int | None:
    """Rank of the targets where it is below their number and no signal rank was asked for.

    In their own units and with each scaled to 1, the larger: targets that only differ in units are
    not of low rank.
    """
    if options.signal_rank is not None or options.task == "classification":
        return None
    spectra = (f(targets.target_covariance) for f in (symmetric_spectrum, unit_spectrum))
    ranks = [energy_rank(spectrum.values.tolist()) for spectrum in spectra]
    rank = max((rank for rank in ranks if rank is not None), default=targets.target_dim)
    return rank if rank < targets.target_dim else None


def _own_predictions(collection: Collection, variance: float) -> dict[str, Any]:
    """How good the model's own predictions are, of targets with this total variance."""
    error, count = collection.squared_error, collection.targets.count
    found: dict[str, Any] = {"model_mse": error, "model_r2": error}
    if not isinstance(error, Undefined):
        found["model_mse"] = error / (count * collection.targets.target_dim)
        found["model_r2"] = Undefined("the targets are the same for every sample")
        if variance > 0.0:
            found["model_r2"] = 1.0 - found["model_mse"] * collection.targets.target_dim / variance
    correct = collection.correct
    if correct is not None:
        found["accuracy"] = correct if isinstance(correct, Undefined) else correct / count
    return found


def _last_layer(collection: Collection, options: MeasureOptions) -> LastLayer | Undefined:
    t, layer = collection.targets.target_dim, collection.output_layer
    if options.task == "classification":
        return Undefined("the conditions of 2024 are for regression")
    if layer is None and not any(x.outputs == t for x in collection.layers if x.rows):
        rows = "one row" if t == 1 else f"{t} rows"
        return Undefined(f"no layer that was measured has a weight of {rows}, one for each target")
    if layer is None:
        return Undefined(
            "no layer that was measured gives the predictions as W h + b: the model changes what "
            "its last layer returns"
        )
    if isinstance(layer.weight, Undefined):
        return layer.weight
    return last_layer_record(
        layer.name,
        layer_view(layer, options, t),
        layer.unit_rows,
        variant=options.last_layer,
        squared_errors=collection.squared_errors,
    )
