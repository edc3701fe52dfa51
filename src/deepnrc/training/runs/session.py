"""A process's work on one run: everything around the epochs, however those are trained."""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from deepnrc.data.dataset import Dataset
from deepnrc.monitoring.monitor import Monitor, MonitorRecord
from deepnrc.storage.atomic import write_atomically, write_errors
from deepnrc.storage.documents import json_bytes
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.epoch.feed import Feed, make_feed
from deepnrc.training.epoch.loop import check_loss
from deepnrc.training.epoch.network import find_device, make_model
from deepnrc.training.epoch.objective import make_objective
from deepnrc.training.epoch.optimizer import decay_text, learning_rate, make_optimizer
from deepnrc.training.epoch.result import EpochResult, squared_error
from deepnrc.training.epoch.state import TrainingState
from deepnrc.training.runs.checkpoint import load_state, save_state, save_weights
from deepnrc.training.runs.environment import environment
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import RunLog
from deepnrc.training.runs.saved_run import check_provenance, in_batches, probe

__all__ = ["Parts", "RunEvents", "Session"]

_SAVE_SECONDS = 30.0  # of training that a stop may cost; measured epochs are saved anyway


@dataclass(frozen=True)
class RunEvents:
    """Whom a run tells what, all optional.

    Attributes:
        say: A line about what is done.
        on_epoch: The log's entry of an epoch.
        on_record: The measurements of an epoch.
    """

    say: Callable[[str], None] = field(default=lambda line: None)
    on_epoch: Callable[[Mapping[str, Any]], None] = field(default=lambda entry: None)
    on_record: Callable[[MonitorRecord], None] = field(default=lambda record: None)


class Parts:
    """A data set where training needs it; runs of one data set can share it.

    Args:
        data: Split and scaled.
        device: Name of the device of training, as in a configuration.

    Attributes:
        data: As given.
        device: Where the rows are, but for images, which stay on disk.
        feeds: Of the ``"train"`` and the ``"test"`` part.
        variances: Of each target in each part.

    Raises:
        ArgumentError: There is no such device here.
    """

    def __init__(self, data: Dataset, device: str) -> None:
        self.data, self.device = data, find_device(device)
        self.feeds: Mapping[str, Feed] = {
            name: make_feed(part.inputs, part.targets, self.device)
            for name, part in (("train", data.train), ("test", data.test))
        }
        self.variances = {name: _variance(feed.targets) for name, feed in self.feeds.items()}


class Session:
    """A run taken up where its folder says it is; the folder's lock must be held.

    Who trains calls, in this order: `begin`; for each epoch that is left, `observe` with what it
    showed, and `save` when `save_is_due`; `end`. As a context it closes its files.

    Args:
        config: The experiment.
        folder: Of the run.
        parts: Its data set, of this configuration.
        events: Whom to tell of progress.

    Attributes:
        config: As given.
        state: What training changes; its epoch says how far the run is.
        objective: What training minimises.
        description: Data, network and training in a line or two.

    Raises:
        FileError: The folder holds another run or cannot be written to.
        ArgumentError: The network does not fit the data.
    """

    def __init__(
        self, config: ExperimentConfig, folder: RunFolder, parts: Parts, events: RunEvents
    ) -> None:
        self.config, self._folder, self._parts, self._events = config, folder, parts, events
        training, data, device = config.training, parts.data, parts.device
        folder.prepare(config)
        check_provenance(folder, data)
        if not folder.provenance.is_file():
            write_atomically(folder.provenance, json_bytes(data.provenance))
        t = data.train.targets.shape[1]
        model = make_model(config.model, data.train.inputs, t, seed=config.seed).to(device)
        generator = torch.Generator().manual_seed(config.seed)
        self.state = TrainingState(model, make_optimizer(model, training), generator)
        self.objective = make_objective(training, model, device)
        if folder.latest.is_file():
            load_state(folder.latest, self.state)
        self._environment = environment(device)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self.description = (
            f"{data.provenance.get('made_from', config.data.name)}\n"
            f"{config.model.kind} of {parameters:,} parameters, {training.epochs} epochs of "
            f"{training.optimizer}, {decay_text(model, training)}; seed {config.seed}"
        )
        self._log: RunLog | None = None
        self._measuring = 0.0
        events.say(self.description)

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left."""
        return self.state.epoch >= self.config.training.epochs

    @property
    def rate(self) -> float:
        """Learning rate of the next epoch."""
        return learning_rate(self.config.training, self.state.epoch + 1)

    def begin(self, **facts: Any) -> None:
        """Note the start, with further facts; measure the untrained network if that is due."""
        start, self._clock = self.state.epoch, time.monotonic()
        self._note_environment()
        self._note_session({"started": _now(), "epoch": start, **_process(), **facts})
        self._log = RunLog(self._folder.log, start)
        self._monitor = self._make_monitor()
        if start == 0:
            self._measure()
            self.save()
        elif not self.is_done:
            self._events.say(f"goes on after epoch {start}")
        self._saved = time.monotonic()

    def observe(self, result: EpochResult) -> None:
        """Log the epoch that the state has just gone through, and measure if that is due.

        Raises:
            DeepNRCError: A loss is no longer finite; the epoch is not logged.
            FileError: Something cannot be written.
        """
        assert self._log is not None
        training, epoch = self.config.training, self.state.epoch
        check_loss(result.objective, epoch, training)
        feed, variances = self._parts.feeds["test"], self._parts.variances
        test, rows = squared_error(self.state.model, in_batches(feed, training))
        test_loss = float(test.mean()) / rows
        # A loss on its way to infinity may still be finite where its gradient is not.
        check_loss(result.gradient_norm, epoch, training, what="gradient norm")
        check_loss(test_loss, epoch, training, what="test loss")
        entry = {
            "epoch": epoch,
            "lr": learning_rate(training, epoch),
            "objective": result.objective,
            "train_loss": result.loss,
            "train_r2": _r2(result.squared_error / result.samples, variances["train"]),
            "gradient_norm": result.gradient_norm,
            "test_loss": test_loss,
            "test_r2": _r2(test / rows, variances["test"]),
        }
        self._log.append(entry)
        self._events.on_epoch(entry)
        self._measure()

    @property
    def save_is_due(self) -> bool:
        """Whether the state is to be kept: at the end, where it was measured, or as time passes."""
        return (
            self.is_done
            or self._monitor.due(self.state.epoch)
            or time.monotonic() - self._saved > _SAVE_SECONDS
        )

    def save(self) -> None:
        """Keep the state: a later session goes on from here."""
        assert self._log is not None
        self._log.sync()  # a state must never be newer than the log
        save_state(self._folder.latest, self.state)
        self._saved = time.monotonic()

    def end(self) -> None:
        """Note that the run is finished."""
        self._note_session(
            {
                "ended": _now(),
                "epoch": self.state.epoch,
                "seconds": round(time.monotonic() - self._clock, 3),
                "seconds_measuring": round(self._measuring, 3),
            }
        )

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        if self._log is not None:
            self._log.close()

    def _make_monitor(self) -> Monitor:
        measure = self.config.measure
        names = ("train", "test") if measure.test else ("train",)
        return Monitor(
            self.state.model,
            {name: probe(self._parts.feeds[name], self.config) for name in names},
            epochs=measure.schedule(self.config.training.epochs),
            options=measure.options,
        )

    def _measure(self) -> None:
        """Measure, write and tell, if that is due."""
        start, epoch = time.monotonic(), self.state.epoch
        record = self._monitor.step(epoch)
        if record is None:
            return
        for part, measurement in record.measurements.items():
            measurement.save(self._folder.measurement(epoch, part))
        save_weights(self._folder.weights(epoch), self.state.model, epoch)
        self._events.on_record(record)
        self._measuring += time.monotonic() - start

    def _note_environment(self) -> None:
        """Written once; a later session on another machine is said, because bits may differ."""
        path = self._folder.environment
        if not path.is_file():
            write_atomically(path, json_bytes(self._environment))
            return
        changed = differences(json.loads(path.read_text(encoding="utf-8")), self._environment)
        if changed and not self.is_done:
            self._events.say(
                "the environment is not that of the run's start, so the end may differ from an "
                "uninterrupted run in its last digits:\n  " + "\n  ".join(changed)
            )

    def _note_session(self, entry: dict[str, Any]) -> None:
        path = self._folder.sessions
        with write_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _variance(targets: Tensor) -> Tensor:
    return targets.double().var(0, correction=0).cpu()


def _r2(error: Tensor, variance: Tensor) -> list[float | None]:
    """Of each target; None where it is the same for every sample."""
    return [
        1.0 - float(e) / float(v) if v > 0.0 else None for e, v in zip(error, variance, strict=True)
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _process() -> dict[str, Any]:
    return {"process": os.getpid(), "host": socket.gethostname()}
