"""One experiment from its configuration to its folder; stopped anywhere, it goes on from there."""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepnrc.data.dataset import Dataset
from deepnrc.errors import FileError
from deepnrc.measurement import Measurement
from deepnrc.measurement import load as load_measurement
from deepnrc.monitor import Monitor, MonitorRecord
from deepnrc.training.checkpoint import load_state, save_state, save_weights
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config_file import differences
from deepnrc.training.environment import environment
from deepnrc.training.feed import make_feed
from deepnrc.training.files import sync_folder, write_failure, write_whole
from deepnrc.training.folder import RunFolder, RunLock
from deepnrc.training.log import RunLog
from deepnrc.training.loop import check_loss
from deepnrc.training.network import find_device, make_model
from deepnrc.training.objective import make_objective
from deepnrc.training.opened import check_provenance, in_batches, json_bytes, load_data, probe
from deepnrc.training.optimizer import decay_text, learning_rate, make_optimizer
from deepnrc.training.state import EpochResult, TrainingState, squared_error
from deepnrc.training.state import train_epoch as train_epoch_alone

__all__ = ["RunEvents", "RunResult", "run_experiment"]

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


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: Where everything lies.
        model: Trained.
        measurements: Of the last epoch, on the ``"train"`` and perhaps the ``"test"`` part; empty
            when that epoch is none of those that the configuration measures.
        trained_epochs: In this session; 0 when the run was finished before.
        description: Data, network and training in a line or two.
    """

    folder: RunFolder
    model: nn.Module
    measurements: Mapping[str, Measurement]
    trained_epochs: int
    description: str


def run_experiment(
    config: ExperimentConfig,
    out: Path,
    *,
    data: Dataset | None = None,
    events: RunEvents | None = None,
    train_epoch: Callable[..., EpochResult] = train_epoch_alone,
) -> RunResult:
    """Train, measure along the way, and write everything to a folder; go on where it stopped.

    Killed at any moment and started again with the same arguments, it ends in the same bytes as
    one that was not: weights, log and measurements.

    Args:
        config: The experiment.
        out: Its folder; made if need be.
        data: In place of the set that the configuration names.
        events: Whom to tell of progress.
        train_epoch: In place of `deepnrc.training.state.train_epoch`, with its arguments.

    Raises:
        DeepNRCError: The folder is in use by another process, or the loss is no longer finite.
        FileError: The folder holds another run or cannot be written to; nothing that was written
            before is lost.
        ArgumentError: The network does not fit the data.
    """
    # Before anything is written: where the data are missing, no folder is left behind.
    data = load_data(config) if data is None else data
    with RunLock(out):
        return _Run(config, RunFolder(out), data, events or RunEvents(), train_epoch).finish()


class _Run:
    """A session on a folder whose lock is held."""

    def __init__(
        self,
        config: ExperimentConfig,
        folder: RunFolder,
        data: Dataset,
        events: RunEvents,
        train_epoch: Callable[..., EpochResult],
    ) -> None:
        self.config, self.folder, self.events = config, folder, events
        self.train_epoch = train_epoch
        training = config.training
        folder.prepare(config)
        check_provenance(folder, data)
        if not folder.provenance.is_file():
            write_whole(folder.provenance, json_bytes(data.provenance))
        device = find_device(training.device)
        self.feeds = {
            name: make_feed(part.inputs, part.targets, device)
            for name, part in (("train", data.train), ("test", data.test))
        }
        self.variances = {name: _variance(feed.targets) for name, feed in self.feeds.items()}
        t = data.train.targets.shape[1]
        model = make_model(config.model, data.train.inputs, t, seed=config.seed).to(device)
        generator = torch.Generator().manual_seed(config.seed)
        self.state = TrainingState(model, make_optimizer(model, training), generator)
        self.objective = make_objective(training, model, device)
        if folder.latest.is_file():
            load_state(folder.latest, self.state)
        self.environment = environment(device)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self.description = (
            f"{data.provenance.get('made_from', config.data.name)}\n"
            f"{config.model.kind} of {parameters:,} parameters, {training.epochs} epochs of "
            f"{training.optimizer}, {decay_text(model, training)}; seed {config.seed}"
        )
        events.say(self.description)

    def finish(self) -> RunResult:
        start, clock = self.state.epoch, time.monotonic()
        self._note_environment()
        self._note_session({"started": _now(), "epoch": start, **_process()})
        log = RunLog(self.folder.log, start)
        measuring = 0.0
        schedule = self.config.measure.schedule(self.config.training.epochs)
        with log, self._monitor(schedule) as monitor:
            if start == 0:
                measuring += self._measure(monitor, 0)
                self._save(log)
            elif start < self.config.training.epochs:
                self.events.say(f"goes on after epoch {start}")
            saved = time.monotonic()
            while self.state.epoch < self.config.training.epochs:
                self._epoch(log)
                epoch = self.state.epoch
                last = epoch == self.config.training.epochs
                due = monitor.due(epoch)
                if due:
                    measuring += self._measure(monitor, epoch)
                if last or due or time.monotonic() - saved > _SAVE_SECONDS:
                    self._save(log)
                    saved = time.monotonic()
            seconds = time.monotonic() - clock
        self._note_session(
            {
                "ended": _now(),
                "epoch": self.state.epoch,
                "seconds": round(seconds, 3),
                "seconds_measuring": round(measuring, 3),
            }
        )
        return RunResult(
            self.folder,
            self.state.model,
            self._last_measurements(),
            self.state.epoch - start,
            self.description,
        )

    def _epoch(self, log: RunLog) -> None:
        training, epoch = self.config.training, self.state.epoch + 1
        lr = learning_rate(training, epoch)
        result = self.train_epoch(
            self.state,
            self.feeds["train"],
            self.objective,
            batch_size=training.batch_size,
            lr=lr,
            clip_norm=training.clip_norm,
        )
        check_loss(result.objective, epoch, training)
        test, rows = squared_error(self.state.model, in_batches(self.feeds["test"], training))
        test_loss = float(test.mean()) / rows
        # A loss on its way to infinity may still be finite where its gradient is not.
        check_loss(result.gradient_norm, epoch, training, what="gradient norm")
        check_loss(test_loss, epoch, training, what="test loss")
        entry = {
            "epoch": epoch,
            "lr": lr,
            "objective": result.objective,
            "train_loss": result.loss,
            "train_r2": _r2(result.squared_error / result.samples, self.variances["train"]),
            "gradient_norm": result.gradient_norm,
            "test_loss": test_loss,
            "test_r2": _r2(test / rows, self.variances["test"]),
        }
        log.append(entry)
        self.events.on_epoch(entry)

    def _monitor(self, schedule: tuple[int, ...]) -> Monitor:
        measure = self.config.measure
        parts = ("train", "test") if measure.test else ("train",)
        return Monitor(
            self.state.model,
            {name: probe(self.feeds[name], self.config) for name in parts},
            epochs=schedule,
            **measure.options(),
        )

    def _measure(self, monitor: Monitor, epoch: int) -> float:
        """Measure, write and tell; returns the seconds it took."""
        start = time.monotonic()
        record = monitor.step(epoch)
        if record is None:
            return 0.0
        for part, measurement in record.measurements.items():
            _save_measurement(measurement, self.folder.measurement(epoch, part))
        sync_folder(self.folder.measurements)
        save_weights(self.folder.weights(epoch), self.state.model, epoch)
        self.events.on_record(record)
        return time.monotonic() - start

    def _save(self, log: RunLog) -> None:
        log.sync()  # a state must never be newer than the log
        save_state(self.folder.latest, self.state)

    def _last_measurements(self) -> dict[str, Measurement]:
        epoch = self.config.training.epochs
        paths = {part: self.folder.measurement(epoch, part) for part in ("train", "test")}
        return {part: load_measurement(path) for part, path in paths.items() if path.is_file()}

    def _note_environment(self) -> None:
        """Written once; a later session on another machine is said, because bits may differ."""
        path = self.folder.environment
        if not path.is_file():
            write_whole(path, json_bytes(self.environment))
            return
        changed = differences(json.loads(path.read_text(encoding="utf-8")), self.environment)
        if changed and self.state.epoch < self.config.training.epochs:
            self.events.say(
                "the environment is not that of the run's start, so the end may differ from an "
                "uninterrupted run in its last digits:\n  " + "\n  ".join(changed)
            )

    def _note_session(self, entry: dict[str, Any]) -> None:
        try:
            with self.folder.sessions.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise write_failure(self.folder.sessions, error) from error


def _save_measurement(measurement: Measurement, path: Path) -> None:
    try:
        measurement.save(path)
    except FileError as error:
        if isinstance(error.__cause__, OSError):
            raise write_failure(path, error.__cause__) from error
        raise


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
