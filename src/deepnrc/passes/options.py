"""`MeasureOptions`: every option of a measurement, described, checked and carried in one record."""

import dataclasses
import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from deepnrc.activations.calling import Forward, Unpack
from deepnrc.activations.labels import check_classes
from deepnrc.activations.masks import Mask
from deepnrc.activations.outputs import Output
from deepnrc.activations.rows import Reduce, check_reduce
from deepnrc.activations.selection import LayerSelector
from deepnrc.errors import ArgumentError
from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.metrics.metric import Metric
from deepnrc.metrics.view import LayerView
from deepnrc.support.keywords import check_keywords, keywords_of

__all__ = ["MeasureOptions", "takes_options"]

_RENAMED = {"rtol": "rcond"}
_FROM_MOMENTS = ("signal_rank", "center", "intercept", "rcond", "metrics")


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """How a model is measured: the options of `deepnrc.measure`, checked when they are given.

    Also accepted as a whole, ``options=``, by `measure`, `collect` and `Monitor`.

    Attributes:
        layers: Which layers: names or globs (``"encoder.*"``), module types, predicates of
            (name, module), or a list of these. None: all.
        exclude: Layers to leave out, in the forms of ``layers``.
        reduce: How positions (tokens, pixels) become rows: ``"mean"``; ``"first"``, ``"last"`` or
            a number for one token; ``"samples"`` for each position a sample of its own; or a
            function of (layer name, activation) or (layer name, activation, batch) that returns
            the rows, or (rows, number of the sample of each row).
        mask: Which positions count: the key of a samples × positions mask in the batch, or a
            function of the batch that returns one, or several by pattern of layer names,
            ``{"encoder.*": …, "decoder.*": …}``. True, 1, or 0 where it is added to scores, is what
            counts. None: what a mapping holds under ``attention_mask`` and
            ``decoder_attention_mask``, each for layers of its number of positions. False: all
            count.
        output: Which of a model's outputs are the predictions: a key, an index, an attribute or a
            function. None: what it returns, or its ``logits``.
        batch_dim: Axis of the samples in the inputs. None: the first of their number.
        target_dim_axis: Axis of the target dimension in targets with positions. None: the last.
        targets: ``"resample"`` averages targets that are given at each position of a grid down to
            the grid of each layer, as for dense prediction. None: layers of other grids are
            undefined.
        calls: ``"pooled"`` adds up the rows of all calls of a layer; ``"separate"`` measures each
            call by itself, for blocks that are called several times.
        signal_rank: k, the dimension of the signal subspace in NRC1–3. None: the target dimension,
            and C − 1 for C classes, whose centred one-hot rows have that rank. ``"targets"``: the
            number of directions that hold 99 % of the targets' variance, for targets of low rank:
            features and weights cannot share directions that the targets lack.
        center: False takes the uncentred second moment in NRC1 and NRC3: for networks without
            biases on targets whose mean is not 0, where the mean carries signal.
        intercept: False predicts without an intercept in NRC4, as a network without biases does.
        rcond: None, or 0, predicts in NRC4 from every direction of the features that their moments
            resolve, whatever the units: with each feature scaled to 1, from those whose variance
            is above 16·eps·(λ_1 + √d), eps of float64 and λ_1 the largest, times √(N/1024) for
            more rows; in ``"mixed"`` sums of wide float32 features, above their rounding to
            float32 too. ``1e-3`` drops singular values of the features, as they are, below this
            share of the largest, as [RU26]'s code does; the smallest that has an effect is
            √(4·d·eps), 5e-7 at a width of 256. A layer's notes say what was dropped.
        task: ``"classification"`` takes labels (whole numbers) or one-hot rows as targets and adds
            neural collapse, NC1–4, at every layer, in a second pass over the data.
        classes: C, for labels of a model that does not return one score a class. None: the number
            of columns of one-hot rows, else the number of scores that the model returns, for
            which the first batch runs once more.
        last_layer: Also measure [A24]'s NRC1 and NRC2 (of 2024) at the last layer:
            ``"paper2024"`` on the rows as they are; ``"centred"`` on the rows less their mean, in
            a second pass. Its NRC3 and R² by target are always measured.
        metrics: Metrics of your own, a list of `deepnrc.Metric`; their values are in each layer's
            ``extra``.
        forward: (model, inputs) → predictions, for models that are not ``model(x)``.
        unpack: batch → (inputs, targets). None: pairs, mappings with their targets under
            ``labels``, ``targets`` or ``y``, and graphs with ``y``.
        batch_size: Samples in a batch of (X, y) or of a data set. None: 256.
        device: Where inputs go. None: the model's own device. The model is never moved.
        precision: ``"mixed"`` sums wide float32 features by deflation (NRC1 right to 1 % down to
            1e-9, other values to about 1e-7); ``"double"`` sums all in float64, which takes about
            a third longer. float64 features are always summed in float64.
        progress: Show the plan and a progress bar when standard error is a terminal.
    """

    layers: LayerSelector = None
    exclude: LayerSelector = None
    reduce: Reduce = "mean"
    mask: Mask = None
    output: Output = None
    batch_dim: int | None = None
    target_dim_axis: int | None = None
    targets: str | None = None
    calls: str = "pooled"
    signal_rank: int | str | None = None
    center: bool = True
    intercept: bool = True
    rcond: float | None = None
    task: str = "regression"
    classes: int | None = None
    last_layer: str | None = None
    metrics: Sequence[Metric[LayerView]] = ()
    forward: Forward | None = None
    unpack: Unpack | None = None
    batch_size: int | None = None
    device: torch.device | str | None = None
    precision: str = "mixed"
    progress: bool = True

    def __post_init__(self) -> None:
        check_reduce(self.reduce)
        _check_rank(self.signal_rank)
        if self.rcond is not None and not _is_share(self.rcond):
            raise ArgumentError(
                f"rcond must be at least 0 and below 1; got {self.rcond!r}: 1e-3 is the paper's "
                "cut-off, None keeps all that the moments resolve"
            )
        check_classes(self.task, self.classes)
        _check_arguments("forward", self.forward, "(model, inputs)", 2)
        _check_arguments("unpack", self.unpack, "(batch)", 1)
        for name in ("precision", "calls", "targets"):
            _check_choice(name, getattr(self, name))
        _check_choice("last_layer", self.last_layer)
        if self.last_layer is not None and self.task == "classification":
            raise ArgumentError(
                f"last_layer={self.last_layer!r} measures regression; with task='classification' "
                "leave it out"
            )
        object.__setattr__(self, "metrics", _checked_metrics(self.metrics))

    @classmethod
    def of(cls, given: Mapping[str, Any], *, also: Iterable[str] = ()) -> "MeasureOptions":
        """The record of keyword arguments; old names are understood.

        Args:
            given: Values by name; under ``options`` a record that the others change.
            also: Further names that the caller takes, for suggestions.

        Raises:
            ArgumentError: A name is unknown or a value is out of range.
        """
        given = dict(given)
        for old, new in _RENAMED.items():
            if old in given:
                warnings.warn(f"{old}= is now called {new}=", FutureWarning, stacklevel=3)
                given.setdefault(new, given.pop(old))
        names = [field.name for field in dataclasses.fields(cls)]
        start = given.pop("options", None) or cls()
        check_keywords(given, [*also, *names], what="option")
        if not isinstance(start, cls):
            raise ArgumentError(
                f"options must be a deepnrc.MeasureOptions; got a {type(start).__name__}: pass "
                "single options as keywords"
            )
        return dataclasses.replace(start, **given)

    def changed(self, given: Mapping[str, Any]) -> "MeasureOptions":
        """The record with options changed that need no data again.

        Raises:
            ArgumentError: The rows were summed under an option that would change.
        """
        asked = MeasureOptions.of(given)
        given = {new: getattr(asked, new) for new in (_RENAMED.get(name, name) for name in given)}
        for name in given:
            if name not in _FROM_MOMENTS:
                raise ArgumentError(
                    f"{name} cannot change after the rows were summed: pass it to collect; what "
                    f"can change is {', '.join(_FROM_MOMENTS)}"
                )
        return dataclasses.replace(self, **given)

    def described(self) -> dict[str, Any]:
        """What a record holds of how it was measured; a function is told by its name."""
        reduce = self.reduce
        if callable(reduce):
            reduce = getattr(reduce, "__name__", "custom")
        elif isinstance(reduce, int):
            reduce = f"position {reduce}"
        names = ("center", "intercept", "rcond", "precision", "task")
        return {**{name: getattr(self, name) for name in names}, "reduce": reduce}


takes_options = keywords_of(MeasureOptions)
"""Decorator that shows the options in a function's signature and docstring."""


_CHOICES: dict[str, tuple[str | None, ...]] = {
    "precision": ("mixed", "double"),
    "calls": ("pooled", "separate"),
    "targets": ("resample", None),
    "last_layer": ("paper2024", "centred", None),
}


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0.0 <= value < 1.0


def _check_choice(name: str, value: object) -> None:
    choices = _CHOICES[name]
    if value not in choices:
        *first, last = map(repr, choices)
        raise ArgumentError(f"{name} must be {', '.join(first)} or {last}; got {value!r}")


def _check_arguments(name: str, function: object, wanted: str, count: int) -> None:
    if function is None:
        return
    if callable(function):
        try:
            inspect.signature(function).bind(*[None] * count)
        except TypeError as error:
            raise ArgumentError(
                f"{name} must be a function of {wanted}; calling it so fails: {error}"
            ) from None
        except ValueError:  # a built-in one does not tell
            return
        return
    raise ArgumentError(f"{name} must be a function of {wanted}; got a {type(function).__name__}")


def _check_rank(signal_rank: object) -> None:
    known = signal_rank is None or signal_rank == "targets"
    if isinstance(signal_rank, int) and not isinstance(signal_rank, bool):
        known = signal_rank >= 1
    if not known:
        raise ArgumentError(
            "signal_rank must be a whole number of at least 1, 'targets' for the targets' own "
            f"rank, or None for the target dimension; got {signal_rank!r}"
        )


def _checked_metrics(metrics: object) -> tuple[Metric[LayerView], ...]:
    given = tuple(metrics) if isinstance(metrics, Iterable) else (metrics,)
    names: set[str] = {*CATALOGUE, *CLASS_CATALOGUE}
    for metric in given:
        if not isinstance(metric, Metric):
            raise ArgumentError(
                "metrics must be a list of deepnrc.Metric; it holds a "
                f"{type(metric).__name__}: wrap a function as "
                "deepnrc.Metric('my_metric', compute=function)"
            )
        if metric.name in names:
            raise ArgumentError(
                f"metrics: there is a metric {metric.name!r} already: choose another name"
            )
        names.add(metric.name)
    return given
