"""One pass over a loader: joint moments of every layer's features and the targets.

Also the weights as they are, the model's own error and what was left out, so that every metric
can be computed afterwards without the data.
"""

import bisect
import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from deepnrc.accumulate import MomentAccumulator, state_bytes
from deepnrc.batches import (
    Forward,
    Unpack,
    default_forward,
    default_unpack,
    target_rows,
    to_device,
)
from deepnrc.errors import (
    ArgumentError,
    DataError,
    FeatureRangeError,
    LayerError,
    NonFiniteError,
)
from deepnrc.layers import LayerSelector, Skipped, WeightLayer, find_layers
from deepnrc.moments import Moments
from deepnrc.report.progress import Progress
from deepnrc.rows import Reduce, check_reduce, feature_rows
from deepnrc.trace import Trace
from deepnrc.undisturbed import undisturbed
from deepnrc.workspace import Workspaces

__all__ = ["Collection", "LayerCollection", "collect"]


@dataclass(frozen=True)
class LayerCollection:
    """What one layer left after the pass.

    Attributes:
        name: Dotted module name.
        kind: ``"linear"``, ``"linear_in_out"`` or ``"convolution"``.
        weight: W as a p × d matrix.
        moments: Joint moments of its features and the targets; None when it saw no rows.
        dtype: The features' own dtype; None when it saw no rows.
        weight_dtype: The weight's own dtype.
        rows: Feature rows seen (samples × positions × calls).
        calls: Times the layer was called in the whole pass.
    """

    name: str
    kind: str
    weight: Float64[Tensor, "p d"]
    moments: Moments | None
    dtype: torch.dtype | None
    weight_dtype: torch.dtype
    rows: int
    calls: int


@dataclass(frozen=True)
class Collection:
    """Everything one pass gave.

    Attributes:
        model: The model's class name.
        layers: In the order in which the model called them; those never called come last.
        targets: Moments of the targets alone (its features are of width 0).
        batches: Batches seen.
        squared_error: Sum of (prediction − target)² over samples and target dimensions; None when
            undefined.
        squared_error_reason: Why it is undefined.
        skipped: Modules with weights that were not measured.
        state_bytes: Bound of the memory the accumulators held, independent of the samples.
        reduce: The reduction rule, as text.
        precision: ``"mixed"`` or ``"double"``.
    """

    model: str
    layers: tuple[LayerCollection, ...]
    targets: Moments
    batches: int
    squared_error: float | None
    squared_error_reason: str
    skipped: tuple[Skipped, ...]
    state_bytes: int
    reduce: str
    precision: str


def collect(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: LayerSelector = None,
    reduce: Reduce = "mean",
    forward: Forward | None = None,
    unpack: Unpack | None = None,
    device: torch.device | str | None = None,
    precision: str = "mixed",
    progress: bool = True,
) -> Collection:
    """Moments of every selected layer in one pass; arguments and errors as in `measure`."""
    check_reduce(reduce)
    if precision not in ("mixed", "double"):
        raise ArgumentError(f"precision must be 'mixed' or 'double'; got {precision!r}")
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    if not isinstance(loader, Iterable):
        raise ArgumentError(
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches; "
            f"got {type(loader).__name__}"
        )
    model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    target_device = _input_device(model, device)
    unpack, forward = unpack or default_unpack, forward or default_forward
    with undisturbed(model, loader):  # even reading a spectral-normed weight may change it
        found, skipped = find_layers(model, layers)
        run = _Pass(found, reduce=reduce, precision=precision)
        modules = {layer.name: layer.module for layer in found}
        with Progress(loader, enabled=progress) as bar, Trace(modules, run.receive):
            for batch in loader:
                inputs, targets = unpack(batch)
                run.start_batch(targets)
                if run.batches == 0:
                    bar.say(plan_text(found, skipped, run.target_dim))
                run.end_batch(forward(model, to_device(inputs, target_device)))
                bar.advance()
        return run.finish(type(model).__name__, skipped)


def plan_text(layers: Iterable[WeightLayer], skipped: Iterable[Skipped], target_dim: int) -> str:
    """What a pass will measure and hold: layers, bytes, and what it leaves out and why."""
    layers = list(layers)
    size = state_bytes((layer.feature_dim for layer in layers), target_dim)
    text = (
        f"measuring {_counted(len(layers), 'layer')} against "
        f"{_counted(target_dim, 'target dimension')}; "
        f"at most {size / 2**20:.1f} MiB of state, whatever the number of samples"
    )
    return "\n".join([text, *(f"  leaving out {x.name}: {x.reason}" for x in skipped)])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _input_device(model: nn.Module, device: torch.device | str | None) -> torch.device:
    # Offloaded parameters wait on the meta device: no place to send inputs to.
    devices = (p.device for p in model.parameters() if p.device.type != "meta")
    own = next(devices, torch.device("cpu"))
    if device is None:
        return own
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ArgumentError(
            f"device={device!r} is none that torch knows, such as 'cpu' or 'cuda:0'"
        ) from None
    if wanted.type != own.type or (wanted.index is not None and wanted.index != own.index):
        raise ArgumentError(
            f"device is {str(wanted)!r} but the model is on {str(own)!r}: move it first with "
            f"model.to({str(wanted)!r}); measure never moves a model"
        )
    return own


class _Pass:
    """The mutable state of one pass: accumulators by layer, and the model's error."""

    def __init__(self, layers: Iterable[WeightLayer], *, reduce: Reduce, precision: str) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._weights: dict[str, Tensor] = {}
        self._reduce = reduce
        self._precision = precision
        self._accumulators: dict[str, MomentAccumulator] = {}
        self._workspaces = Workspaces()
        self._dtypes: dict[str, torch.dtype] = {}
        self._calls = dict.fromkeys(self._layers, 0)
        self._row_ends: dict[str, list[int]] = {name: [] for name in self._layers}
        self._batch_of_end: dict[str, list[int]] = {name: [] for name in self._layers}
        self._targets = torch.empty(0, 0)
        self._per_position = False
        self._target_moments: Moments | None = None
        self._samples = 0
        self._squared_error: float | None = 0.0
        self._error_reason = ""
        self.batches = 0

    @property
    def target_dim(self) -> int:
        return self._targets.shape[1]

    def start_batch(self, given: Any) -> None:
        self._per_position = self._reduce == "samples" and np.ndim(given) > 2
        targets = target_rows(given, self.batches, per_position=self._per_position)
        if self._target_moments is not None and targets.shape[1] != self.target_dim:
            raise DataError(
                f"targets of batch {self.batches} have {targets.shape[1]} columns; the batches "
                f"before had {self.target_dim}: yield the same targets in every batch"
            )
        self._targets = targets
        moments = Moments.from_batch(targets[:, :0], targets)
        earlier = self._target_moments
        self._target_moments = moments if earlier is None else earlier.merge(moments)

    def receive(self, name: str, activation: Tensor) -> None:
        """The trace's receiver: rows of one call of one layer."""
        layer = self._layers[name]
        rows = feature_rows(
            name,
            activation,
            feature_dim=layer.feature_dim,
            spatial_axes=layer.spatial_axes,
            reduce=self._reduce,
        )
        self._calls[name] += 1
        if rows.device.type == "mps":  # no float64 there
            rows = rows.cpu()
        if name not in self._accumulators:
            # Only now: normed weights are made anew, sharded ones gathered, just before a call.
            self._weights[name] = layer.weight_matrix()
            self._dtypes[name] = activation.dtype
            self._accumulators[name] = MomentAccumulator(
                layer.feature_dim,
                self.target_dim,
                dtype=rows.dtype,
                device=rows.device,
                precision=self._precision,
                workspaces=self._workspaces,
            )
        accumulator = self._accumulators[name]
        self._row_ends[name].append(accumulator.rows + len(rows))
        self._batch_of_end[name].append(self.batches)
        with _naming(self, name):
            accumulator.add(rows, self._targets_for(name, rows))

    def _targets_for(self, name: str, rows: Tensor) -> Tensor:
        targets, count = self._targets, len(self._targets)
        if len(rows) != count:
            times, rest = divmod(len(rows), max(count, 1))
            if self._reduce != "samples" or self._per_position or rest or not times:
                raise DataError(
                    f"layer '{name}' gave {len(rows)} feature rows for {count} targets in batch "
                    f"{self.batches}: rows and targets must pair up. If its first axis is not the "
                    "sample, pass reduce= a function of (name, activation); if each position is a "
                    "sample, reduce='samples'; to leave the layer out, layers="
                )
            targets = targets.repeat_interleave(times, 0)
        return targets.to(rows.device)

    def end_batch(self, predictions: Any) -> None:
        if self._squared_error is not None:
            self._add_error(predictions)
        self._samples += len(self._targets)
        self.batches += 1

    def _add_error(self, predictions: Any) -> None:
        if not isinstance(predictions, Tensor):
            self._squared_error = None
            self._error_reason = (
                f"the model returned a {type(predictions).__name__}, not a tensor: pass forward= "
                "that returns the predictions"
            )
            return
        flat = predictions.detach()
        flat = flat[:, None] if flat.ndim == 1 else flat
        if self._per_position and flat.ndim > 2:
            flat = flat.flatten(0, -2)
        if flat.shape != self._targets.shape:
            self._squared_error = None
            self._error_reason = (
                f"the model returned shape {tuple(predictions.shape)} for targets of shape "
                f"{tuple(self._targets.shape)}: pass forward= that returns matching predictions"
            )
            return
        flat = flat.to("cpu", torch.float64)
        if not bool(torch.isfinite(flat).all()):
            self._blame_features()
            raise NonFiniteError(
                f"the model's predictions for batch {self.batches} hold NaN or infinity: look at "
                "that batch's inputs and at the last layer's weights"
            )
        assert self._squared_error is not None
        self._squared_error += float(((flat - self._targets) ** 2).sum())
        if not math.isfinite(self._squared_error):
            self._blame_features()
            raise DataError(
                f"the model's predictions for batch {self.batches} reach "
                f"{float(flat.abs().max()):.3g}: their squared errors overflow float64; rescale"
            )

    def _blame_features(self) -> None:
        """Raise for the first layer with non-finite features, if its rows are still gathered."""
        for name, accumulator in self._accumulators.items():
            with _naming(self, name):
                accumulator.result()

    def finish(self, model: str, skipped: tuple[Skipped, ...]) -> Collection:
        if self._target_moments is None or self._samples == 0:
            raise DataError(
                "the loader gave no samples: check that it is not empty, and that it is not a "
                "generator that an earlier loop has used up"
            )
        if not self._accumulators:
            raise LayerError(
                f"no layer of {model} was called during the pass: it computes with its weights "
                "directly (a fused or exported graph); measure the original module"
            )
        called = list(self._accumulators)
        order = called + [name for name in self._layers if name not in self._accumulators]
        return Collection(
            model=model,
            layers=tuple(self._finished(name) for name in order),
            targets=self._target_moments,
            batches=self.batches,
            squared_error=self._squared_error,
            squared_error_reason=self._error_reason,
            skipped=skipped,
            state_bytes=state_bytes(
                (layer.feature_dim for layer in self._layers.values()), self.target_dim
            ),
            reduce=self._reduce if isinstance(self._reduce, str) else _described(self._reduce),
            precision=self._precision,
        )

    def _finished(self, name: str) -> LayerCollection:
        accumulator = self._accumulators.get(name)
        moments = None
        if accumulator is not None:
            with _naming(self, name):
                moments = accumulator.result()
        layer = self._layers[name]
        return LayerCollection(
            name=name,
            kind=layer.kind,
            weight=self._weights[name] if name in self._weights else layer.weight_matrix(),
            moments=moments,
            dtype=self._dtypes.get(name),
            weight_dtype=layer.weight_dtype,
            rows=0 if accumulator is None else accumulator.rows,
            calls=self._calls[name],
        )

    def batch_of_row(self, name: str, row: int) -> int:
        ends = self._row_ends[name]
        return self._batch_of_end[name][bisect.bisect_right(ends, row)]


@contextlib.contextmanager
def _naming(run: _Pass, layer: str) -> Iterator[None]:
    """Adds the layer's name and the batch's number to an accumulator's error."""
    try:
        yield
    except NonFiniteError as error:
        batch = run.batch_of_row(layer, error.row)
        raise NonFiniteError(
            f"features of layer '{layer}' hold NaN or infinity in batch {batch}: look at that "
            "batch's inputs and at the layers before"
        ) from None
    except FeatureRangeError as error:
        raise FeatureRangeError(f"layer '{layer}': {error}") from None


def _described(reduce: Reduce) -> str:
    return (
        f"position {reduce}" if isinstance(reduce, int) else getattr(reduce, "__name__", "custom")
    )
