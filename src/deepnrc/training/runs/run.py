"""One experiment from its configuration to its folder; it resumes where it was interrupted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from deepnrc.data.dataset import Dataset
from deepnrc.results.measurement import Measurement
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.result import EpochResult
from deepnrc.training.epoch.state import train_epoch as train_epoch_alone
from deepnrc.training.runs.data import TrainingData, load_data
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.measured import load_measured
from deepnrc.training.runs.session import RunEvents, Session

__all__ = ["RunEvents", "RunResult", "run_experiment"]


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: With all its files.
        model: Trained.
        measurements: Of the last epoch, on the ``"train"`` and perhaps the ``"test"`` part; empty
            where the configuration does not measure that epoch.
        trained_epochs: In this session; 0 where the run was finished before.
        description: Data, network and training in two lines.
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
    """Train and measure an experiment, with all its files in one folder; resumes bit for bit.

    A run that is killed at any moment and started again with the same arguments ends with the same
    weights, log and measurements, byte for byte, as one that was not interrupted.

    Args:
        config: The experiment.
        out: Its folder; made if it does not exist.
        data: Replaces the data set that the configuration names.
        events: Called on progress.
        train_epoch: Replaces `deepnrc.training.epoch.state.train_epoch`, with its arguments.

    Raises:
        DeepNRCError: The folder is in use by another process, or the loss is not finite.
        FileError: The folder holds another run or cannot be written to; nothing that was written
            before is lost.
        ArgumentError: The network does not fit the data.
    """
    # Before anything is written: where the data are missing, no folder is left behind.
    data = load_data(config) if data is None else data
    on_device, training = TrainingData(data, config.training.device), config.training
    folder = RunFolder(out)
    with Session(config, folder, on_device, events or RunEvents()) as session:
        start = session.state.epoch
        session.begin()
        while not session.is_done:
            result = train_epoch(
                session.state,
                on_device.feeds["train"],
                session.objective,
                batch_size=training.batch_size,
                lr=session.rate,
                clip_norm=training.clip_norm,
            )
            session.observe(result)
            if session.save_is_due:
                session.save()
        session.end()
        return RunResult(
            folder,
            session.state.model,
            _last_measurements(folder, training.epochs),
            session.state.epoch - start,
            session.description,
        )


def _last_measurements(folder: RunFolder, epoch: int) -> dict[str, Measurement]:
    found = {part: load_measured(folder, epoch, part) for part in ("train", "test")}
    return {part: measurement for part, measurement in found.items() if measurement is not None}
