"""The folder of a run: its files, and a lock that lets one process at a time write to it.

::

    config.toml                              the experiment, every default written out
    environment.json                         versions, commit, hardware of the first session
    provenance.json                          where the data come from
    log.jsonl                                one line per epoch
    checkpoints/epoch-000123.safetensors     weights at each measured epoch
    checkpoints/latest.safetensors           the state that training resumes from
    measurements/epoch-000123.json           on the training data; …-test.json on the test data
    sessions.jsonl                           when each process started and ended, and its time

Two runs of one configuration on one machine agree in every byte except for ``sessions.jsonl``.
"""

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import DeepNRCError, FileError
from deepnrc.storage.atomic import make_folder, remove_drafts, write_atomically
from deepnrc.storage.lock import file_lock
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.config.file import config_text, plain_config, read_config

__all__ = ["RunFolder", "lock_folder"]

_EPOCH = re.compile(r"epoch-(\d{6,})\.safetensors")


class RunFolder:
    """Paths within the folder of a run.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.environment = path / "environment.json"
        self.provenance = path / "provenance.json"
        self.log = path / "log.jsonl"
        self.sessions = path / "sessions.jsonl"
        self.latest = path / "checkpoints" / "latest.safetensors"
        self.measurements = path / "measurements"

    def weights(self, epoch: int) -> Path:
        """The file of the weights of an epoch."""
        return self.path / "checkpoints" / f"epoch-{epoch:06d}.safetensors"

    def measurement(self, epoch: int, part: str = "train") -> Path:
        """The file of a measurement on the ``"train"`` or ``"test"`` part."""
        ending = "" if part == "train" else f"-{part}"
        return self.measurements / f"epoch-{epoch:06d}{ending}.json"

    def epochs(self) -> list[int]:
        """Epochs with saved weights, ascending."""
        names = (_EPOCH.fullmatch(file.name) for file in self.latest.parent.glob("epoch-*"))
        return sorted(int(name[1]) for name in names if name)

    def read_config(self) -> ExperimentConfig:
        """The run's configuration.

        Raises:
            FileError: The folder holds no run.
        """
        if not self.config.is_file():
            raise FileError(f"'{self.path}' is not the folder of a run: it has no config.toml")
        return read_config(self.config)

    def is_finished(self, config: ExperimentConfig) -> bool:
        """Whether the folder holds a run of this configuration that reached its last epoch."""
        if not self.config.is_file() or not self.sessions.is_file():
            return False
        try:
            if differences(plain_config(self.read_config()), plain_config(config)):
                return False  # the run itself will refuse it, and name the keys
        except DeepNRCError:
            return False  # the same for a damaged file
        sessions = self.sessions.read_text(encoding="utf-8").splitlines()
        return any(_is_end(line) for line in sessions)

    def prepare(self, config: ExperimentConfig) -> None:
        """Prepare the folder for a run of this configuration; its lock must be held.

        Raises:
            FileError: The folder holds other files or a run of another configuration, or cannot be
                written to.
        """
        if self.config.is_file():
            self._refuse_another(plain_config(config))
        else:
            others = [file.name for file in self.path.iterdir() if not file.name.startswith(".")]
            if set(others) - {"checkpoints", "measurements"}:
                raise FileError(
                    f"'{self.path}' holds other files ({', '.join(sorted(others)[:3])}, …) and no "
                    "run: choose an empty or new folder with --out"
                )
        for folder in (self.path, self.latest.parent, self.measurements):
            make_folder(folder)
            remove_drafts(folder)
        if not self.config.is_file():
            write_atomically(self.config, config_text(config).encode())

    def _refuse_another(self, plain: Mapping[str, Any]) -> None:
        with self.config.open("rb") as file:
            before = tomllib.load(file)
        changed = differences(before, plain)
        if changed:
            raise FileError(
                f"'{self.path}' holds a run of another configuration: choose another folder with "
                "--out, or undo the changes:\n  " + "\n  ".join(changed)
            )


@contextlib.contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold the folder of a run or a sweep for this process; another that tries is refused.

    The operating system releases the lock when the process ends, however that happens. The folder
    is made if it does not exist.

    Args:
        path: The folder.

    Raises:
        DeepNRCError: Another process holds it.
        FileError: The folder cannot be made or written to.
    """

    def refuse(holder: str) -> None:
        raise DeepNRCError(
            f"'{path}' is in use by {holder}: wait for it or choose another folder with --out"
        )

    with file_lock(path / ".lock", refuse):
        yield


def _is_end(line: str) -> bool:
    try:
        return "ended" in json.loads(line)
    except ValueError:  # a line that a killed process did not complete
        return False
