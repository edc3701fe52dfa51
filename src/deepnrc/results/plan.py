"""The plan of a measurement: what would be measured, how, and what would not and why."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from deepnrc.activations.layers import Skipped
from deepnrc.passes.collection import LayerCollection
from deepnrc.passes.dry_run import DryRun, dry_run
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.support.text import Table, counted, number, shown

__all__ = ["LayerPlan", "Plan", "plan"]

_ROLES = {
    "path": "path",
    "last": "gives the predictions",
    "side": "side branch",
    "uncalled": "not called",
    "unpaired": "undefined",
}


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """What a measurement will do at one layer.

    Attributes:
        name: Dotted module name.
        kind: Such as ``"linear"`` or ``"convolution"``.
        width: d.
        rows: Feature rows that a batch gives.
        rows_per_sample: ``rows`` over the samples of the batch; 0 where there are none.
        reduction: How positions become rows; empty where there are no positions.
        role: ``"path"``; ``"last"``, its output is the prediction; ``"side"``, the predictions do
            not depend on it; ``"uncalled"``; ``"unpaired"``, its rows have no targets.
        depth: Most measured layers one after the other between the inputs and it.
        calls: Of it for a batch.
        state_bytes: Bound of the memory of its sums.
        notes: Why it is undefined, and what else should be known.
    """

    name: str
    kind: str
    width: int
    rows: int
    rows_per_sample: float
    reduction: str
    role: str
    depth: int
    calls: int
    state_bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `deepnrc.measure` will do with a model and batches like one it was shown.

    Attributes:
        model: The model's class name.
        layers: One record a layer, in the order of a measurement.
        skipped: Modules with weights that will not be measured, and why.
        samples: In the batch.
        target_dim: t.
        passes: Over the data that the measurement takes.
        state_bytes: Bound of the memory of all sums, whatever the number of samples.
        notes: What should be known of how batches are read.
    """

    model: str
    layers: tuple[LayerPlan, ...]
    skipped: tuple[Skipped, ...]
    samples: int
    target_dim: int
    passes: int
    state_bytes: int
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> LayerPlan:
        """The plan of a layer.

        Raises:
            KeyError: There is no such layer.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {', '.join(x.name for x in self.layers)}")

    @property
    def summary(self) -> str:
        """One line: layers, samples and targets of the batch, passes and memory."""
        return (
            f"{self.model}: {counted(len(self.layers), 'layer')}, a batch of "
            f"{counted(self.samples, 'sample')} with {counted(self.target_dim, 'target')}; "
            f"{counted(self.passes, 'pass', 'passes')} over the data, at most "
            f"{_memory(self.state_bytes)} of state, whatever the number of samples"
        )

    @property
    def table(self) -> Table:
        """A row each layer."""
        headings = ("layer", "kind", "width", "rows a sample", "reduction", "role", "state")
        notes = (f"{layer.name}: {note}" for layer in self.layers for note in layer.notes)
        return Table(headings, tuple(map(_cells, self.layers)), (*notes, *self.notes))

    @property
    def details(self) -> tuple[str, ...]:
        """What ``print`` shows below the table: what will not be measured, and why."""
        return tuple(
            f"not measured: {x.name or 'the model itself'}: {x.reason}" for x in self.skipped
        )

    def __str__(self) -> str:
        return shown("\n".join([self.summary, "", str(self.table), *self.details]))


@takes_options
def plan(model: nn.Module, batch: Any, **options: Any) -> Plan:
    """Show what `deepnrc.measure` would do, from one batch and without its sums.

    For each layer its kind, width, rows a sample, how positions become rows, whether the
    predictions depend on it, and memory; what is left out and why; masks that are not used. The
    model runs once on the batch and once on a part of it, and is left as it was.

    Args:
        model: Any module that `deepnrc.measure` takes.
        batch: As a loader gives it; or a `DataLoader` or a list of batches, of which the first is
            taken.
        options: See `MeasureOptions`.

    Returns:
        The plan; ``print`` shows it as a table.

    Raises:
        ArgumentError: An argument is of the wrong kind or range, or is not known.
        LayerError: No weight layer, or no match for ``layers``.
        DataError: An empty batch, or one that is no pair.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 2))
        >>> planned = plan(model, (torch.ones(10, 8), torch.ones(10, 2)))
        >>> planned["0"].role, planned["1"].role
        ('path', 'last')
    """
    shown = dry_run(model, batch, MeasureOptions.of(options))
    layers = tuple(_layer_plan(layer, shown) for layer in shown.layers)
    return Plan(
        model=shown.model,
        layers=layers,
        skipped=shown.skipped,
        samples=shown.samples,
        target_dim=shown.target_dim,
        passes=shown.passes,
        state_bytes=sum(shown.state_bytes.values()),
        notes=shown.notes,
    )


def _layer_plan(layer: LayerCollection, shown: DryRun) -> LayerPlan:
    reason = layer.unpaired
    return LayerPlan(
        name=layer.name,
        kind=layer.kind,
        width=layer.width,
        rows=layer.rows,
        rows_per_sample=layer.rows / shown.samples,
        reduction=_reduction(layer, shown),
        role=_role(layer, shown),
        depth=layer.depth,
        calls=layer.calls,
        state_bytes=shown.state_bytes.get(layer.name, 0),
        notes=layer.notes if reason is None else (reason.reason, *layer.notes),
    )


def _role(layer: LayerCollection, shown: DryRun) -> str:
    if layer.unpaired is not None:
        return "unpaired"
    if not layer.calls:
        return "uncalled"
    if layer.name == shown.last:
        return "last"
    return "path" if layer.on_path else "side"


def _reduction(layer: LayerCollection, shown: DryRun) -> str:
    name = layer.name.partition("#")[0]
    grid = shown.positions.get(name, ())
    if shown.own_rule and layer.rows:
        return shown.rule
    if not layer.rows or not grid:
        return ""
    where = f"{' × '.join(map(str, grid))} positions"
    rule = shown.rule
    if layer.kind == "convolution" and rule != "samples":
        rule = "mean"
    text = {
        "mean": f"mean of {where}",
        "first": f"first of {where}",
        "last": f"last of {where}",
        "samples": f"each of {where}",
    }.get(rule, f"{rule} of {where}")
    return f"{text}, masked" if name in shown.masked else text


def _cells(layer: LayerPlan) -> tuple[str, ...]:
    rows = number(layer.rows_per_sample) if layer.rows else "–"
    if layer.rows_per_sample == int(layer.rows_per_sample) and layer.rows:
        rows = str(int(layer.rows_per_sample))
    return (
        layer.name,
        layer.kind,
        str(layer.width),
        rows,
        layer.reduction or "–",
        _ROLES[layer.role],
        _memory(layer.state_bytes) if layer.rows else "–",
    )


def _memory(size: int) -> str:
    unit = next((u for u in ("GiB", "MiB", "KiB") if size >= _UNITS[u]), "B")
    return f"{size / _UNITS[unit]:.3g} {unit}"


_UNITS = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
