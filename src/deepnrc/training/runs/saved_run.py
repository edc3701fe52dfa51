"""A run loaded from its folder, to be measured in other ways."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from deepnrc.data.dataset import Dataset
from deepnrc.errors import FileError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.feed import InOrder, make_feed
from deepnrc.training.epoch.network import make_model
from deepnrc.training.runs.checkpoint import load_weights
from deepnrc.training.runs.data import check_provenance, load_data, probe
from deepnrc.training.runs.faults import refuse_fault
from deepnrc.training.runs.folder import RunFolder

__all__ = ["SavedRun", "load_run"]


@dataclass(frozen=True)
class SavedRun:
    """A run at one of its epochs, as its folder holds it.

    Attributes:
        config: The experiment.
        data: Its data set.
        model: With the weights of the epoch, on the CPU, in evaluation mode.
        epoch: Which epoch.
    """

    config: ExperimentConfig
    data: Dataset
    model: nn.Module
    epoch: int

    def loader(self, part: str = "train") -> InOrder:
        """Batches of the ``"train"`` or ``"test"`` part, as they were measured during training."""
        rows = self.data.train if part == "train" else self.data.test
        feed = make_feed(rows.inputs, rows.targets, torch.device("cpu"))
        return probe(feed, self.config)


def load_run(path: Path, epoch: int | None = None) -> SavedRun:
    """Load a run from its folder, with the weights of one of its measured epochs.

    Args:
        path: The folder.
        epoch: One of those with saved weights; None is the last of them.

    Raises:
        FileError: The folder holds no run, or no weights of this epoch, or the data have changed,
            or a file that is read was altered.
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
    manifest = folder.manifest()
    refuse_fault(manifest, folder.provenance)
    refuse_fault(manifest, folder.weights(wanted))
    check_provenance(folder, data.provenance)
    t = data.train.targets.shape[1]
    model = make_model(config.model, data.train.inputs, t, seed=config.seed)
    run = "" if manifest is None else manifest.run
    load_weights(folder.weights(wanted), model, run=run, epoch=wanted)
    return SavedRun(config, data, model.eval(), wanted)
