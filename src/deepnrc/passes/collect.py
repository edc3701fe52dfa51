"""Moments of every layer's features and the targets, in as few passes over a loader as they need.

Also the weights as they are, the model's own error and what was left out, so that every metric
can be computed afterwards without the data.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from deepnrc.activations.layers import Skipped, WeightLayer, find_layers
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import ArgumentError, DataError, LayerError
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.passes.feed import Feed
from deepnrc.passes.head_options import HeadOptions
from deepnrc.passes.heads import HeadOutputs, naming_head
from deepnrc.passes.layer_statistics import (
    CentredUnitRows,
    ClassSpread,
    JointMoments,
    MomentsByClass,
    RawUnitRows,
)
from deepnrc.passes.loaders import Data, as_loader
from deepnrc.passes.measurable import measurable
from deepnrc.passes.model_error import CorrectDecisions, SquaredErrors
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.passes.placement import last_layer_name, placed_layers
from deepnrc.passes.plan import plan_text, state_bound
from deepnrc.passes.run import Run
from deepnrc.passes.single_pass import Pass
from deepnrc.passes.statistic import Statistic, stages
from deepnrc.passes.targets import NO_SAMPLES
from deepnrc.support.undefined import Undefined

__all__ = ["collect", "collect_by_head", "collect_with", "statistics_of"]

_NOT_A_REGRESSION = Undefined(
    "scores of classes are no predictions of the one-hot targets (if they are, measure them with "
    "task='regression')"
)


@takes_options
def collect(model: nn.Module, loader: Data, **options: Any) -> Collection:
    """All that is needed of the data, for `deepnrc.evaluate`; errors as of `deepnrc.measure`.

    Args:
        model: Any module with layers of a known kind (linear layers, convolutions, recurrent
            layers, attention, `deepnrc.register_layer`), on any device, of any real dtype.
        loader: Yields (inputs, targets); or the data, as of `deepnrc.measure`.
        options: See `MeasureOptions`.

    Returns:
        Moments of every layer, and what else the metrics need.
    """
    return collect_with(model, loader, MeasureOptions.of(options))


def collect_with(model: nn.Module, loader: Data, options: MeasureOptions) -> Collection:
    """`collect` with the options in one record."""
    return collect_by_head(model, loader, HeadOptions(options))[""]


def collect_by_head(
    model: nn.Module,
    loader: Data,
    options: HeadOptions,
    heads: HeadOutputs | None = None,
    *,
    single: bool = True,
) -> dict[str, Collection]:
    """What is needed of the data, for each head of the targets; a single target is head ``""``.

    Args:
        model: As of `collect`.
        loader: As of `collect`.
        options: Of each head.
        heads: Which output is whose; None: several targets are refused.
        single: Whether a single target is taken.
    """
    batches = as_loader(loader, options.common.batch_size)
    for each in options.possible() if isinstance(batches, Iterator) else ():
        if len(stages(statistics_of(each))) > 1:
            classify = each.task == "classification"
            what = "task='classification'" if classify else f"last_layer={each.last_layer!r}"
            raise ArgumentError(
                f"{what} takes two passes over the loader, but a {type(batches).__name__} can be "
                "read only once: pass a DataLoader or a list of batches"
            )
    with measurable(model) as module:
        return _collected_by_head(
            module, batches, options, lambda start: Feed(start, options, heads, single=single)
        )


def _collected_by_head(
    model: nn.Module,
    loader: Iterable[Any],
    options: HeadOptions,
    feed_of: Callable[[Callable[[str], Pass | None]], Feed],
) -> dict[str, Collection]:
    wanted: dict[str, list[list[Statistic]]] = {}  # by head, the statistics of each pass
    # Even reading a spectral-normed weight may change it.
    with preserved_state(model, loader) as changed:
        layers, skipped = find_layers(model, options.common.layers, options.common.exclude)
        run = Run(model, loader, layers, options.common)

        def first(head: str) -> Pass:
            wanted[head] = stages(statistics_of(options.of(head)))
            return Pass(layers, wanted[head][0], options.of(head))

        feed = feed_of(first)
        plan = functools.partial(plan_text, layers, skipped, wanted)
        run.through(feed, plan=plan)
        if not feed.passes:
            raise DataError(NO_SAMPLES)
        found = {}
        for head, one in feed.passes.items():
            with naming_head(head):
                found[head] = _collected(head, one, model, run, layers, skipped, wanted[head])
    if changed:
        found = {
            head: replace(one, notes=(*one.notes, _changed_note(changed)))
            for head, one in found.items()
        }
    for number in range(1, max(map(len, wanted.values()), default=1)):
        with preserved_state(model, loader):  # anew: random states are again those of the first
            feed = feed_of(functools.partial(_later, layers, wanted, number, found))
            run.through(feed, label="measuring again")
            found |= {head: _extended(found[head], one) for head, one in feed.passes.items()}
    return found


def _before(collection: Collection) -> dict[str, LayerCollection]:
    return {x.name: x for x in collection.layers if x.rows and not x.unpaired}


def _later(
    layers: Sequence[WeightLayer],
    wanted: Mapping[str, list[list[Statistic]]],
    number: int,
    found: Mapping[str, Collection],
    head: str,
) -> Pass | None:
    """A further pass of a head, which knows what those before gave; None where it needs none."""
    if number >= len(wanted[head]):
        return None
    stage, collection = wanted[head][number], found[head]
    last = collection.output_layer
    return Pass(
        layers,
        stage,
        _with_classes(collection.options, collection),
        before=_before(collection),
        last=None if last is None else last.name,
    )


def _extended(collection: Collection, one: Pass) -> Collection:
    """What was collected, with what a further pass adds."""
    before = _before(collection)
    added = {x.name: x for x in one.layers()}
    for name, layer in before.items():
        if name not in one.without_sums:
            _check_rows(layer, added.get(name))
    # Layers without rows keep what the first pass said of them.
    kept = {name: layer for name, layer in added.items() if name in before}
    return replace(
        collection, layers=tuple(kept.get(layer.name, layer) for layer in collection.layers)
    )


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
    head: str,
    first: Pass,
    module: nn.Module,
    run: Run,
    layers: Sequence[WeightLayer],
    skipped: tuple[Skipped, ...],
    statistics: list[list[Statistic]],
) -> Collection:
    targets, called = first.targets.moments(), first.layers()
    model, options = type(module).__name__, first.options
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
    assert run.evidence is not None
    assert run.pairing is not None
    placed = placed_layers(called, run.evidence, run.pairing.notes, head)
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
        state_bytes=state_bound(layers, itertools.chain(*statistics), targets.target_dim),
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
