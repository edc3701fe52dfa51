"""Moments of every layer's features and the targets, in as few passes over a loader as they need.

Also the weights as they are, the model's own error and what was left out, so that every metric
can be computed afterwards without the data.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from deepnrc.activations.layers import Skipped, WeightLayer, find_layers
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import ArgumentError, DataError, LayerError
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.passes.layer_statistics import (
    CentredUnitRows,
    ClassSpread,
    JointMoments,
    MomentsByClass,
    RawUnitRows,
)
from deepnrc.passes.measurable import measurable
from deepnrc.passes.model_error import CorrectDecisions, SquaredErrors
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.passes.placement import last_layer_name, placed_layers
from deepnrc.passes.plan import plan_text, state_bound
from deepnrc.passes.run import Run
from deepnrc.passes.single_pass import Pass
from deepnrc.passes.statistic import Statistic, stages
from deepnrc.support.undefined import Undefined

__all__ = ["collect", "collect_with", "statistics_of"]

_NOT_A_REGRESSION = Undefined(
    "scores of classes are no predictions of the one-hot targets (if they are, measure them with "
    "task='regression')"
)


@takes_options
def collect(model: nn.Module, loader: Iterable[Any], **options: Any) -> Collection:
    """All that is needed of the data, for `deepnrc.evaluate`; errors as of `deepnrc.measure`.

    Args:
        model: Any module with linear layers or convolutions, on any device, of any real dtype.
        loader: Yields (inputs, targets).
        options: See `MeasureOptions`.

    Returns:
        Moments of every layer, and what else the metrics need.
    """
    return collect_with(model, loader, MeasureOptions.of(options))


def collect_with(model: nn.Module, loader: Iterable[Any], options: MeasureOptions) -> Collection:
    """`collect` with the options in one record."""
    if not isinstance(loader, Iterable):
        raise ArgumentError(
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches; "
            f"got {type(loader).__name__}"
        )
    statistics = statistics_of(options)
    if len(stages(statistics)) > 1 and isinstance(loader, Iterator):
        classify = options.task == "classification"
        what = "task='classification'" if classify else f"last_layer={options.last_layer!r}"
        raise ArgumentError(
            f"{what} takes two passes over the loader, but a {type(loader).__name__} can be read "
            "only once: pass a DataLoader or a list of batches"
        )
    with measurable(model) as module:
        return _collected_with(module, loader, options, statistics)


def _collected_with(
    model: nn.Module,
    loader: Iterable[Any],
    options: MeasureOptions,
    statistics: Sequence[Statistic],
) -> Collection:
    first, *further = stages(statistics)
    # Even reading a spectral-normed weight may change it.
    with preserved_state(model, loader) as changed:
        layers, skipped = find_layers(model, options.layers, options.exclude)
        plan = functools.partial(plan_text, layers, skipped, statistics)
        run = Run(model, loader, layers, options)
        summed = run.through(Pass(layers, first, options), plan=plan)
        bound = state_bound(layers, statistics, summed.targets.dim)
        collection = _collected(summed, type(model).__name__, run, layers, skipped, bound, options)
    if changed:
        collection = replace(collection, notes=(*collection.notes, _changed_note(changed)))
    for stage in further:
        with preserved_state(model, loader):  # anew: random states are again those of the first
            before = {x.name: x for x in collection.layers if x.rows and not x.unpaired}
            last = collection.output_layer
            summed = Pass(
                layers,
                stage,
                _with_classes(options, collection),
                before=before,
                last=None if last is None else last.name,
            )
            added = {x.name: x for x in run.through(summed, label="measuring again").layers()}
        for name, layer in before.items():
            if name not in summed.without_sums:
                _check_rows(layer, added.get(name))
        # Layers without rows keep what the first pass said of them.
        kept = {name: layer for name, layer in added.items() if name in before}
        both = tuple(kept.get(layer.name, layer) for layer in collection.layers)
        collection = replace(collection, layers=both)
    return collection


def _changed_note(names: Sequence[str]) -> str:
    return (
        f"the model changed its {', '.join(names)} while it was measured, too large to be put back "
        "in content: reset it before you go on"
    )


def statistics_of(options: MeasureOptions) -> list[Statistic]:
    """All that the options ask for, each after what it needs."""
    found: list[Statistic] = [JointMoments(options.precision)]
    if options.task == "classification":
        found += [MomentsByClass(), ClassSpread(), CorrectDecisions()]
    else:
        found.append(SquaredErrors())
    if options.last_layer is not None:
        found.append(RawUnitRows() if options.last_layer == "paper2024" else CentredUnitRows())
    return found


def _collected(
    first: Pass,
    model: str,
    run: Run,
    layers: Sequence[WeightLayer],
    skipped: tuple[Skipped, ...],
    bound: int,
    options: MeasureOptions,
) -> Collection:
    targets, called = first.targets.moments(), first.layers()
    if not called:
        raise LayerError(
            f"no layer of {model} was called during the pass: it computes with its weights "
            "directly (a fused or exported graph); measure the original module"
        )
    if all(layer.unpaired for layer in called):
        reasons = "; ".join(f"'{x.name}': {x.unpaired.reason}" for x in called[:3] if x.unpaired)
        raise DataError(
            f"no layer of {model} gave rows that can be paired with the targets ({reasons}). If "
            "another axis than the first holds the samples, pass batch_dim=; for other layouts "
            "pass reduce= a function of (name, activation, batch) that returns the rows and the "
            "number of the sample of each"
        )
    placed = placed_layers(called, run)
    names = {layer.name.partition("#")[0] for layer in called}
    unseen = [LayerCollection.unseen(layer) for layer in layers if layer.name not in names]
    classify = options.task == "classification"
    return Collection(
        model=model,
        layers=(*placed, *unseen),
        targets=targets,
        batches=first.targets.batches,
        squared_errors=_NOT_A_REGRESSION if classify else first.output("squared_errors"),
        correct=first.output("correct") if classify else None,
        last=last_layer_name(first, placed, targets.target_dim),
        skipped=skipped,
        state_bytes=bound,
        notes=run.notes,
        options=options,
    )


def _with_classes(options: MeasureOptions, collection: Collection) -> MeasureOptions:
    """The options of a later pass: how many classes there are is known by then."""
    if options.task == "regression":
        return options
    return replace(options, classes=collection.targets.target_dim)


def _check_rows(before: LayerCollection, now: LayerCollection | None) -> None:
    got = 0 if now is None else now.rows
    if got != before.rows:
        raise DataError(
            f"the loader gave layer '{before.name}' {before.rows} rows in the first pass and "
            f"{got} in the second: it must yield the same samples each time it is read"
        )
