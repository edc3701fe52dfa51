"""One process's work on a run, apart from the training of its epochs."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepnrc.monitoring.monitor import Monitor, MonitorRecord
from deepnrc.results.measurement import measurement_bytes
from deepnrc.storage.atomic import open_plain, replace_file, sync_folder, write_errors
from deepnrc.storage.documents import json_bytes
from deepnrc.storage.reading import read_json
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.epoch.loop import check_loss
from deepnrc.training.epoch.network import make_model
from deepnrc.training.epoch.objective import make_objective
from deepnrc.training.epoch.optimizer import decay_text, learning_rate, make_optimizer
from deepnrc.training.epoch.result import EpochResult, squared_error
from deepnrc.training.epoch.state import TrainingState
from deepnrc.training.runs.checkpoint import load_weights, state_bytes, weights_bytes
from deepnrc.training.runs.data import TrainingData, in_batches, probe
from deepnrc.training.runs.environment import environment
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import RunLog
from deepnrc.training.runs.recovery import lost_measurements, recover

__all__ = ["RunEvents", "Session", "initial_state"]

_SAVE_SECONDS = 30.0  # of training that an interruption may cost; measured epochs are always saved


@dataclass(frozen=True)
class RunEvents:
    """Functions that a run calls, all optional.

    Attributes:
        say: With a line about what is done.
        on_epoch: With the log's entry of an epoch.
        on_record: With the measurements of an epoch.
    """

    say: Callable[[str], None] = field(default=lambda line: None)
    on_epoch: Callable[[Mapping[str, Any]], None] = field(default=lambda entry: None)
    on_record: Callable[[MonitorRecord], None] = field(default=lambda record: None)


def initial_state(config: ExperimentConfig, data: TrainingData) -> TrainingState:
    """The untrained network of an experiment with its optimizer, on the device of training.

    Raises:
        ArgumentError: The network does not fit the data.
    """
    train = data.data.train
    model = make_model(config.model, train.inputs, train.targets.shape[1], seed=config.seed)
    model.to(data.device)
    generator = torch.Generator().manual_seed(config.seed)
    return TrainingState(model, make_optimizer(model, config.training), generator)


class Session:
    """A run, resumed from where its folder says it is; the folder is locked until it ends.

    Call, in this order: `begin`; for each epoch that is left, train it, then `observe` with its
    result, and `save` when `save_is_due`; `end`. As a context it closes its files and gives the
    lock back.

    Args:
        config: The experiment.
        folder: Of the run.
        data: The data set of this configuration.
        events: Called on progress.

    Attributes:
        config: As given.
        state: What training changes; its epoch says how far the run is.
        objective: What training minimizes.
        description: Data, network and training in two lines.

    Raises:
        DeepNRCError: Another process holds the folder.
        FileError: The folder holds another run or cannot be written to.
        ArgumentError: The network does not fit the data; nothing is written.
    """

    def __init__(
        self, config: ExperimentConfig, folder: RunFolder, data: TrainingData, events: RunEvents
    ) -> None:
        self.config, self._folder, self._data, self._events = config, folder, data, events
        self.state = initial_state(config, data)
        self.objective = make_objective(config.training, self.state.model, data.device)
        folder.refuse_another(config)  # before a lock's file is left in somebody else's folder
        with contextlib.ExitStack() as held:
            self._lock = held.enter_context(lock_folder(folder.path))
            self._resume()
            self._held = held.pop_all()
        self._environment = environment(data.device)
        self.description = self._describe()
        self._log: RunLog | None = None
        self._measuring = 0.0
        self._unsynced: set[Path] = set()
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
        """Record the start, with further facts; measure the untrained network if that is due."""
        start, self._clock = self.state.epoch, time.monotonic()
        self._record_environment()
        for path in (self._folder.config, self._folder.provenance):
            if not self._manifest.holds(path):
                self._manifest.add(path, path.read_bytes())
        process = {"process": os.getpid(), "host": socket.gethostname()}
        run = {"run": self._manifest.run}
        self._record_session({"started": _now(), "epoch": start, **run, **process, **facts})
        self._log = RunLog(self._folder.log, start)
        self._monitor = self._make_monitor(self.state.model)
        if start == 0:
            self._measure()
            self.save()
        elif not self.is_done:
            self._events.say(f"resumes after epoch {start}")
        self._saved = time.monotonic()

    def observe(self, result: EpochResult) -> None:
        """Log the epoch that the state has just completed, and measure if that is due.

        Raises:
            DeepNRCError: A loss is not finite; the epoch is not logged.
            FileError: A file cannot be written.
        """
        assert self._log is not None
        training, epoch = self.config.training, self.state.epoch
        check_loss(result.objective, epoch, training)
        test_error, rows = squared_error(
            self.state.model, in_batches(self._data.feeds["test"], training)
        )
        test_loss = float(test_error.mean()) / rows
        # A loss that grows to infinity may still be finite where its gradient is not.
        check_loss(result.gradient_norm, epoch, training, what="gradient norm")
        check_loss(test_loss, epoch, training, what="test loss")
        entry = {
            "epoch": epoch,
            "lr": learning_rate(training, epoch),
            "objective": result.objective,
            "train_loss": result.loss,
            "train_r2": self._data.r2("train", result.squared_error / result.samples),
            "gradient_norm": result.gradient_norm,
            "test_loss": test_loss,
            "test_r2": self._data.r2("test", test_error / rows),
        }
        self._log.append(entry)
        self._events.on_epoch(entry)
        self._measure()

    @property
    def save_is_due(self) -> bool:
        """Whether to save the state: at the end, after a measurement, or after some time."""
        return (
            self.is_done
            or self._monitor.due(self.state.epoch)
            or time.monotonic() - self._saved > _SAVE_SECONDS
        )

    def save(self) -> None:
        """Save the state that a later session resumes from."""
        assert self._log is not None
        self._lock.check()
        self._log.sync()  # a state must never be newer than the log
        for folder in (self._folder.measurements, self._folder.latest.parent):
            if folder in self._unsynced:
                sync_folder(folder)
        content = state_bytes(self.state, self._manifest.run)
        self._manifest.add_log(*self._log.written)
        self._manifest.add_state(content, self.state.epoch)
        self._manifest.write()
        replace_file(self._folder.latest, content, durable=False)
        self._unsynced = {self._folder.latest.parent}
        self._saved = time.monotonic()

    def end(self) -> None:
        """Record that the run is finished."""
        self._lock.check()
        sync_folder(self._folder.latest.parent)
        if self._manifest.settle():
            self._manifest.write()
        self._record_session(
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
        self._held.close()

    def _resume(self) -> None:
        folder, provenance = self._folder, dict(self._data.data.provenance)
        say = self._events.say
        if folder.prepare(self.config):
            say(f"'{folder.config}' was damaged or lost: written again, as it was")
        self.config = folder.as_begun(self.config)
        self._manifest = recover(folder, self.config, provenance, self.state, say)
        for epoch, lost in lost_measurements(self._manifest).items():
            self._measure_again(epoch, lost)

    def _measure_again(self, epoch: int, lost: Sequence[Path]) -> None:
        """Measurements that were lost, with the weights of their epoch."""
        model = initial_state(self.config, self._data).model
        load_weights(self._folder.weights(epoch), model, run=self._manifest.run, epoch=epoch)
        record = self._make_monitor(model).step(epoch)
        for part, content in self._contents(record) if record is not None else ():
            path = self._folder.measurement(epoch, part)
            if path in lost:
                same = self._manifest.holds(path, content)
                how = "as it was" if same else "with other last digits, as the environment differs"
                replace_file(path, content)
                self._manifest.add(path, content, epoch=epoch)
                self._events.say(f"'{path}' was lost: measured again, {how}")
                if not same:
                    self._manifest.write()

    def _describe(self) -> str:
        config, model = self.config, self.state.model
        made_from = self._data.data.provenance.get("made_from", config.data.name)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return (
            f"{made_from}\n"
            f"{config.model.kind} of {parameters:,} parameters, {config.training.epochs} epochs of "
            f"{config.training.optimizer}, {decay_text(model, config.training)}; seed {config.seed}"
        )

    def _make_monitor(self, model: nn.Module) -> Monitor:
        measure = self.config.measure
        names = ("train", "test") if measure.test else ("train",)
        return Monitor(
            model,
            {name: probe(self._data.feeds[name], self.config) for name in names},
            epochs=measure.schedule(self.config.training.epochs),
            options=measure.options,
        )

    def _measure(self) -> None:
        """Measure, save and report, if that is due."""
        start, epoch = time.monotonic(), self.state.epoch
        record = self._monitor.step(epoch)
        if record is None:
            return
        self._lock.check()
        for part, content in self._contents(record):
            self._write(self._folder.measurement(epoch, part), content, epoch)
        model, run = self.state.model, self._manifest.run
        self._manifest.add_tensors(model.state_dict())
        self._write(self._folder.weights(epoch), weights_bytes(model, epoch, run), epoch)
        self._events.on_record(record)
        self._measuring += time.monotonic() - start

    def _contents(self, record: MonitorRecord) -> Iterator[tuple[str, bytes]]:
        """Each part with the content of its file."""
        run, epoch = self._manifest.run, record.epoch
        for part, measurement in record.measurements.items():
            yield part, measurement_bytes(measurement, run=run, epoch=epoch, part=part)

    def _write(self, path: Path, content: bytes, epoch: int) -> None:
        """Write a file of an epoch; its name outlives a loss of power from the next save on."""
        replace_file(path, content, durable=False)
        self._unsynced.add(path.parent)
        self._manifest.add(path, content, epoch=epoch)

    def _record_environment(self) -> None:
        """Written once; a later session says when its own differs, because bits may differ."""
        path = self._folder.environment
        if not path.is_file():
            content = json_bytes(self._environment)
            replace_file(path, content)
            self._manifest.add(path, content)
            return
        before = read_json(path)
        if not self._manifest.holds(path):
            self._manifest.add(path, path.read_bytes())
        changed = differences(before if isinstance(before, dict) else {}, self._environment)
        if changed and not self.is_done:
            self._events.say(
                "the environment differs from the one the run started in, so the result may differ "
                "from an uninterrupted run in its last digits:\n  " + "\n  ".join(changed)
            )

    def _record_session(self, entry: dict[str, Any]) -> None:
        path = self._folder.sessions
        self._lock.check()
        with write_errors(path):
            descriptor = open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                file.write(_torn(path) + json.dumps(entry) + "\n")


def _torn(path: Path) -> str:
    """What ends the line that a killed process did not complete."""
    content = path.read_bytes()
    return "" if content.endswith(b"\n") or not content else "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
