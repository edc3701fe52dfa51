"""A run's data, and a run opened again from its folder to be measured in other ways."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from deepnrc.data.dataset import Dataset
from deepnrc.data.loading import load
from deepnrc.errors import FileError
from deepnrc.storage.documents import json_bytes
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.epoch.feed import Feed, InOrder, TensorFeed, make_feed
from deepnrc.training.epoch.network import make_model
from deepnrc.training.runs.checkpoint import load_weights
from deepnrc.training.runs.folder import RunFolder

__all__ = [
    "OpenedRun",
    "check_provenance",
    "in_batches",
    "load_data",
    "open_run",
    "probe",
]

_PROBE_BATCH = 1024


def load_data(config: ExperimentConfig) -> Dataset:
    """The experiment's data set, split and scaled; errors as of `deepnrc.data.load`."""
    data = config.data
    return load(
        data.name,
        data.path,
        split_seed=data.split_seed,
        test_fraction=data.test_fraction,
        standardize=data.standardize,
        samples=data.samples,
        seed=data.seed,
        **data.options,
    )


@dataclass(frozen=True)
class OpenedRun:
    """A run as its folder holds it at one epoch.

    Attributes:
        config: The experiment.
        data: Its data set.
        model: With the weights of the epoch, on the CPU, in evaluation mode.
        epoch: Which.
    """

    config: ExperimentConfig
    data: Dataset
    model: nn.Module
    epoch: int

    def loader(self, part: str = "train") -> InOrder:
        """Batches of the ``"train"`` or ``"test"`` part, as they were measured along the way."""
        rows = self.data.train if part == "train" else self.data.test
        feed = make_feed(rows.inputs, rows.targets, torch.device("cpu"))
        return probe(feed, self.config)


def open_run(path: Path, epoch: int | None = None) -> OpenedRun:
    """A run from its folder, with the weights of one of its measured epochs.

    Args:
        path: The folder.
        epoch: One whose weights were kept; None is the last of them.

    Raises:
        FileError: The folder holds no run, or no weights of this epoch, or the data have changed.
    """
    folder = RunFolder(path)
    config = folder.read_config()
    epochs = folder.epochs()
    if not epochs:
        raise FileError(f"'{path}' holds no weights yet: start it with `deepnrc train`")
    wanted = epochs[-1] if epoch is None else epoch
    if wanted not in epochs:
        raise FileError(
            f"'{path}' holds no weights of epoch {wanted}, only of those that were measured: the "
            f"nearest is {min(epochs, key=lambda kept: abs(kept - wanted))}, the last {epochs[-1]}"
        )
    data = load_data(config)
    check_provenance(folder, data)
    t = data.train.targets.shape[1]
    model = make_model(config.model, data.train.inputs, t, seed=config.seed)
    load_weights(folder.weights(wanted), model)
    return OpenedRun(config, data, model.eval(), wanted)


def check_provenance(folder: RunFolder, data: Dataset) -> None:
    """Refuse data that are not those the run began with.

    Raises:
        FileError: They are not; the message names what differs.
    """
    if not folder.provenance.is_file():
        return
    before = json.loads(folder.provenance.read_text(encoding="utf-8"))
    now = json.loads(json_bytes(data.provenance))
    # Another version of this package reads the same rows.
    changed = differences({**before, "deepnrc": ""}, {**now, "deepnrc": ""})
    if changed:
        raise FileError(
            f"the data are not those that '{folder.path}' began with: restore them, or start "
            "another run with --out:\n  " + "\n  ".join(changed)
        )


def probe(feed: Feed, config: ExperimentConfig) -> InOrder:
    """The rows of a part that its measurements see, in stored order."""
    return in_batches(feed, config.training, config.measure.samples)


def in_batches(feed: Feed, config: TrainingConfig, samples: int | None = None) -> InOrder:
    """A part in stored order; images in the batches of training, as memory allows it.

    Args:
        feed: The part.
        config: Whose batch size images take.
        samples: How many rows, from the first; None is all.
    """
    in_memory = isinstance(feed, TensorFeed)
    return InOrder(feed, _PROBE_BATCH if in_memory else config.batch_size, samples)
