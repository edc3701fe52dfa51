"""One experiment from its configuration to its folder; stopped anywhere, it goes on from there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from deepnrc.data.dataset import Dataset
from deepnrc.results.measurement import Measurement
from deepnrc.results.measurement import load as load_measurement
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.result import EpochResult
from deepnrc.training.epoch.state import train_epoch as train_epoch_alone
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.saved_run import load_data
from deepnrc.training.runs.session import Parts, RunEvents, Session

__all__ = ["RunEvents", "RunResult", "run_experiment"]


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
        train_epoch: In place of `deepnrc.training.epoch.state.train_epoch`, with its arguments.

    Raises:
        DeepNRCError: The folder is in use by another process, or the loss is no longer finite.
        FileError: The folder holds another run or cannot be written to; nothing that was written
            before is lost.
        ArgumentError: The network does not fit the data.
    """
    # Before anything is written: where the data are missing, no folder is left behind.
    data = load_data(config) if data is None else data
    parts, training = Parts(data, config.training.device), config.training
    folder = RunFolder(out)
    with lock_folder(out), Session(config, folder, parts, events or RunEvents()) as session:
        start = session.state.epoch
        session.begin()
        while not session.is_done:
            result = train_epoch(
                session.state,
                parts.feeds["train"],
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
    paths = {part: folder.measurement(epoch, part) for part in ("train", "test")}
    return {part: load_measurement(path) for part, path in paths.items() if path.is_file()}
