"""A run's data: loaded by its configuration, on the device of training, checked on resuming."""

import json
from collections.abc import Mapping

from torch import Tensor

from deepnrc.data.dataset import Dataset
from deepnrc.data.loading import load
from deepnrc.errors import FileError
from deepnrc.storage.documents import json_bytes
from deepnrc.storage.reading import read_json
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.epoch.feed import Feed, InOrder, TensorFeed, make_feed
from deepnrc.training.epoch.network import find_device
from deepnrc.training.runs.folder import RunFolder

__all__ = ["TrainingData", "check_provenance", "in_batches", "load_data", "probe"]

_BATCH = 1024


class TrainingData:
    """The parts of a data set on the device of training; runs of one data set can share it.

    Args:
        data: Split and scaled.
        device: Name of the device, as in a configuration.

    Attributes:
        data: As given.
        device: Where the rows are, except for images, which stay on disk.
        feeds: Of the ``"train"`` and the ``"test"`` part.

    Raises:
        ArgumentError: The device is not available here.
    """

    def __init__(self, data: Dataset, device: str) -> None:
        self.data, self.device = data, find_device(device)
        self.feeds: Mapping[str, Feed] = {
            name: make_feed(part.inputs, part.targets, self.device)
            for name, part in (("train", data.train), ("test", data.test))
        }
        self._variances = {
            name: feed.targets.double().var(0, correction=0).cpu()
            for name, feed in self.feeds.items()
        }

    def r2(self, part: str, error: Tensor) -> list[float | None]:
        """R² of each target from its mean squared error; None where the target is constant."""
        pairs = zip(error, self._variances[part], strict=True)
        return [1.0 - float(e) / float(v) if v > 0.0 else None for e, v in pairs]


def load_data(config: ExperimentConfig) -> Dataset:
    """The experiment's data set, split and scaled; raises as `deepnrc.data.load`."""
    data = config.data
    return load(
        data.name,
        data.path,
        split_seed=data.split_seed,
        test_fraction=data.test_fraction,
        standardize=data.standardize,
        samples=data.samples,
        seed=data.seed,
        **data.of_set(),
    )


def check_provenance(folder: RunFolder, provenance: Mapping[str, object]) -> None:
    """Refuse data that differ from those the run started with.

    Args:
        folder: Of the run.
        provenance: Of the data.

    Raises:
        FileError: The data differ; the message names how. Or the file cannot be read.
    """
    if not folder.provenance.is_file():
        return
    try:
        before = read_json(folder.provenance)
        if not isinstance(before, dict):
            raise FileError(f"'{folder.provenance}' is not a JSON object: it was altered")
    except FileError as error:
        raise FileError(
            f"{error}; delete it and give the same command again, which writes it anew"
        ) from error
    now = json.loads(json_bytes(provenance))
    # Another version of this package reads the same rows.
    changed = differences({**before, "deepnrc": ""}, {**now, "deepnrc": ""})
    if changed:
        raise FileError(
            f"the data differ from those that '{folder.path}' started with: restore them, or start "
            "another run with --out:\n  " + "\n  ".join(changed)
        )


def probe(feed: Feed, config: ExperimentConfig) -> InOrder:
    """The rows of a part that are measured, in stored order."""
    return in_batches(feed, config.training, config.measure.samples)


def in_batches(feed: Feed, config: TrainingConfig, samples: int | None = None) -> InOrder:
    """A part in stored order; images in the batches of training, to bound the memory.

    Args:
        feed: The part.
        config: Its batch size is used for images.
        samples: Number of rows, from the first; None is all.
    """
    in_memory = isinstance(feed, TensorFeed)
    return InOrder(feed, _BATCH if in_memory else config.batch_size, samples)
