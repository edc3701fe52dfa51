"""The folder of a run: where each of its files lies, and that one process at a time writes there.

::

    config.toml                              the experiment, every default written out
    environment.json                         versions, commit, hardware of the first session
    provenance.json                          where the data come from
    log.jsonl                                one line an epoch
    checkpoints/epoch-000123.safetensors     weights at each measured epoch
    checkpoints/latest.safetensors           what training goes on from
    measurements/epoch-000123.json           on the training data; …-test.json on the test data
    sessions.jsonl                           when each process started and ended, and how long

Two runs of one configuration on one machine agree in every byte but for ``sessions.jsonl``.
"""

import contextlib
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
        """Epochs whose weights are there, ascending."""
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

    def prepare(self, config: ExperimentConfig) -> None:
        """Make the folder ready for a run of this configuration; its lock must be held.

        Raises:
            FileError: It holds something else, a run of another configuration, or cannot be
                written to.
        """
        plain = plain_config(config)
        if self.config.is_file():
            self._refuse_another(plain)
        else:
            others = [file.name for file in self.path.iterdir() if not file.name.startswith(".")]
            if set(others) - {"checkpoints", "measurements"}:
                raise FileError(
                    f"'{self.path}' holds other files ({', '.join(sorted(others)[:3])}, …) and no "
                    "run: choose an empty or new folder with --out"
                )
        for folder in (self.latest.parent, self.measurements):
            make_folder(folder)
            remove_drafts(folder)
        remove_drafts(self.path)
        if not self.config.is_file():
            write_atomically(self.config, config_text(config).encode())

    def _refuse_another(self, plain: Mapping[str, Any]) -> None:
        with self.config.open("rb") as file:
            before = tomllib.load(file)
        changed = differences(before, plain)
        if changed:
            raise FileError(
                f"'{self.path}' holds a run of another configuration: choose another folder with "
                "--out, or take back the changes:\n  " + "\n  ".join(changed)
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
