"""One batch through a pass that sums nothing: which layers give which rows, and what for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from deepnrc.activations.layers import Skipped, find_layers
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import DataError
from deepnrc.passes.collect import statistics_of
from deepnrc.passes.collection import LayerCollection
from deepnrc.passes.feed import Feed
from deepnrc.passes.head_options import HeadOptions
from deepnrc.passes.loaders import as_loader
from deepnrc.passes.measurable import measurable
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.placement import last_layer_name, placed_layers
from deepnrc.passes.run import Run
from deepnrc.passes.single_pass import Pass
from deepnrc.passes.statistic import Site, Statistic, Sums, stages

__all__ = ["DryRun", "dry_run"]

_ALL = 1 << 62  # samples in a batch that is the data as a whole


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a batch showed.

    Attributes:
        model: The model's class name.
        layers: In the order of a measurement; those not called come last.
        positions: Sizes of the axes of positions by layer; (): one row a sample as it is.
        masked: Layers whose padded positions are left out.
        rule: Of the reduction of positions, a function's by its name.
        own_rule: Whether it is a function.
        last: The layer whose W h + b is the prediction; None where there is none.
        skipped: Modules with weights that are not measured.
        samples: In the batch.
        target_dim: t.
        passes: Over the data that a measurement takes.
        state_bytes: Bound of the sums of each layer, by name.
        notes: What should be known of how the batch was read.
    """

    model: str
    layers: tuple[LayerCollection, ...]
    positions: Mapping[str, tuple[int, ...]]
    masked: frozenset[str]
    rule: str
    own_rule: bool
    last: str | None
    skipped: tuple[Skipped, ...]
    samples: int
    target_dim: int
    passes: int
    state_bytes: Mapping[str, int]
    notes: tuple[str, ...]


class _NoSums(Sums):
    def add(self, rows: Tensor, targets: Tensor) -> None:
        del rows, targets

    def result(self) -> None:
        return None


class _CountedRows(Statistic):
    """Nothing but the rows that a pass counts by itself."""

    name = "rows"

    def start(self, site: Site) -> Sums:
        del site
        return _NoSums()


def dry_run(model: nn.Module, batch: Any, options: MeasureOptions) -> DryRun:
    """Run a batch as a measurement would, without its sums; errors as of a measurement.

    Args:
        model: Any module.
        batch: As a loader gives it, or a loader.
        options: Of the measurement.
    """
    statistics = statistics_of(options)
    with measurable(model) as module, preserved_state(module):
        layers, skipped = find_layers(module, options.layers, options.exclude)
        run = Run(module, [_one(batch, options.batch_size)], layers, options)
        one = Pass(layers, [_CountedRows()], options)
        run.through(Feed(lambda _: one, HeadOptions(options)), label="planning")
        if run.pairing is None or run.evidence is None:
            raise DataError("the batch or loader holds no sample: pass one with at least two")
        t, samples = one.targets.dim, one.targets.batch_samples
        called = placed_layers(one.layers(), run.evidence, run.pairing.notes)
        names = {layer.name.partition("#")[0] for layer in called}
        unseen = [LayerCollection.unseen(layer) for layer in layers if layer.name not in names]
    return DryRun(
        model=type(module).__name__,
        layers=(*called, *unseen),
        positions=dict(run.pairing.positions),
        masked=frozenset(run.pairing.masked),
        rule=str(options.described()["reduce"]),
        own_rule=callable(options.reduce),
        last=last_layer_name(one, called, t),
        skipped=skipped,
        samples=samples,
        target_dim=t,
        passes=len(stages(statistics)),
        state_bytes={
            layer.name: 0
            if layer.unpaired
            else sum(statistic.nbytes([layer.width], t) for statistic in statistics)
            for layer in called
        },
        notes=run.notes,
    )


def _one(given: Any, batch_size: int | None) -> Any:
    """A batch, or the first of a loader; a list that holds a tensor is a batch, as collated."""
    if isinstance(given, list) and not all(isinstance(x, tuple | list | Mapping) for x in given):
        return given
    is_pair = isinstance(given, tuple) and len(given) == 2
    if not (is_pair or isinstance(given, list | DataLoader | Dataset)):
        return given
    loader = as_loader(given, batch_size or (_ALL if is_pair else None))
    if is_pair and loader is given:  # no arrays: a batch of other things
        return given
    for first in loader:
        return first
    raise DataError("the batch or loader holds no sample: pass one with at least two")
