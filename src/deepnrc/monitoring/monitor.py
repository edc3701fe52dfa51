"""Deep NRC along training: measures on a schedule and changes nothing in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError
from deepnrc.passes.collect import collect_with
from deepnrc.passes.loaders import Data
from deepnrc.passes.options import MeasureOptions
from deepnrc.results.diagnosis import diagnose
from deepnrc.results.evaluate import evaluate
from deepnrc.results.measurement import Measurement

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["Monitor", "MonitorRecord"]


@dataclass(frozen=True)
class MonitorRecord:
    """The measurements of one epoch.

    Attributes:
        epoch: Number of passes over the training data before it; 0 is the untrained network.
        measurements: By the name of the probe loader; ``"train"`` where only one was given.
    """

    epoch: int
    measurements: Mapping[str, Measurement]

    @property
    def measurement(self) -> Measurement:
        """That of the first probe loader."""
        return next(iter(self.measurements.values()))


class Monitor:
    """Measures a model at chosen epochs of a training loop that is not its own.

    Every measurement runs in evaluation mode, without gradients, and leaves model, loaders and
    random states as they were, so a run with a monitor ends in the same bits as one without.

    Args:
        model: What is trained; may be compiled.
        probe_loader: What it is measured on: any iterable of batches that can be gone through
            again and again, such as the training data without shuffling or a part of them; or
            several by name, ``{"train": …, "test": …}``.
        every: Measure at the multiples of this; 1 where neither this nor ``epochs`` is given.
        epochs: Measure at these, in place of ``every``;
            `deepnrc.monitoring.schedule.log_spaced` makes such a list.
        on_record: Called with each new `MonitorRecord`.
        options: As of `deepnrc.measure`, checked here; ``progress`` is off unless asked for.

    Raises:
        ArgumentError: Both ``every`` and ``epochs``, one of them out of range, or a probe loader
            that can be gone through only once.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(64, 4)
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Monitor(model, [(x, x[:, :2])], every=10) as monitor:
        ...     for epoch in range(1, 31):
        ...         optimizer.zero_grad()
        ...         (model(x) - x[:, :2]).square().mean().backward()
        ...         optimizer.step()
        ...         _ = monitor.step(epoch)
        >>> [record.epoch for record in monitor.history]
        [10, 20, 30]
    """

    def __init__(
        self,
        model: "nn.Module",
        probe_loader: Data | Mapping[str, Data],
        *,
        every: int | None = None,
        epochs: Iterable[int] | None = None,
        on_record: Callable[[MonitorRecord], None] | None = None,
        **options: Any,
    ) -> None:
        if every is not None and epochs is not None:
            raise ArgumentError("every and epochs exclude each other: pass one of them")
        if every is not None and every < 1:
            raise ArgumentError(f"every must be at least 1; got {every}")
        self._model = model
        self._probes = (
            dict(probe_loader) if isinstance(probe_loader, Mapping) else {"train": probe_loader}
        )
        if not self._probes:
            raise ArgumentError("probe_loader names no loader: pass {'train': loader}")
        for name, loader in self._probes.items():
            if hasattr(loader, "__next__"):  # asked so, as a DataLoader's iter() draws a seed
                raise ArgumentError(
                    f"probe_loader {name!r} can be gone through only once (it is a "
                    f"{type(loader).__name__}): pass a list of batches or a DataLoader"
                )
        self._every = every or 1
        self._epochs = None if epochs is None else frozenset(epochs)
        if self._epochs is not None and min(self._epochs, default=0) < 0:
            raise ArgumentError(f"epochs must be at least 0; got {min(self._epochs)}")
        self._on_record = on_record
        self._options = MeasureOptions.of(
            {"progress": False, **options}, also=("every", "epochs", "on_record")
        )
        self._history: list[MonitorRecord] = []
        self._closed = False

    @property
    def history(self) -> tuple[MonitorRecord, ...]:
        """All records so far, in the order they were made."""
        return tuple(self._history)

    def due(self, epoch: int) -> bool:
        """Whether `step` would measure at this epoch."""
        return epoch % self._every == 0 if self._epochs is None else epoch in self._epochs

    def step(self, epoch: int) -> MonitorRecord | None:
        """Measure if the schedule says so.

        Args:
            epoch: Passes done so far; call it once after each epoch, and with 0 before the first
                if the untrained network is of interest.

        Returns:
            The new record, or None when none is due.

        Raises:
            ArgumentError: The monitor is closed, or this epoch was measured already.
        """
        if self._closed:
            raise ArgumentError("the monitor is closed: call step inside its with block")
        if not self.due(epoch):
            return None
        if any(record.epoch == epoch for record in self._history):
            raise ArgumentError(f"epoch {epoch} was measured already: call step once an epoch")
        measurements = {
            name: evaluate(collect_with(self._model, loader, self._options))
            for name, loader in self._probes.items()
        }
        record = MonitorRecord(epoch, measurements)
        self._history.append(record)
        if self._on_record is not None:
            self._on_record(record)
        return record

    def first_collapsed_epoch(self, probe: str | None = None, **thresholds: Any) -> int | None:
        """The first measured epoch with a collapsed layer, the last included: [RU26, Figure 5].

        Args:
            probe: Name of the probe loader; None is the first.
            thresholds: Passed on to `deepnrc.diagnose`.

        Returns:
            The epoch, or None while there is none.
        """
        for record in self._history:
            measurement = record.measurements[probe] if probe else record.measurement
            if diagnose(measurement, **thresholds).first_collapsed_layer is not None:
                return record.epoch
        return None

    def to_frame(self) -> "pd.DataFrame":
        """One row for each epoch, probe and layer, indexed by these; columns as in a measurement.

        Raises:
            ArgumentError: Nothing has been measured yet.
        """
        import pandas as pd  # noqa: PLC0415  - slow to import

        if not self._history:
            raise ArgumentError("nothing has been measured yet: call step first")
        frames = {
            (record.epoch, name): measurement.to_frame()
            for record in self._history
            for name, measurement in record.measurements.items()
        }
        return pd.concat(frames, names=["epoch", "probe"])

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *error: object) -> None:
        self._closed = True
