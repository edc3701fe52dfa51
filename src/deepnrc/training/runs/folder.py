"""The folder of a run: its files, and a lock that lets one process at a time write to it.

::

    config.toml                              the experiment, every default written out
    manifest.json                            size and SHA-256 of each file, up to the newest state
    environment.json                         versions, commit, hardware of the first session
    provenance.json                          where the data come from
    log.jsonl                                one line per epoch
    checkpoints/epoch-000123.safetensors     weights at each measured epoch
    checkpoints/latest.safetensors           the state that training resumes from
    measurements/epoch-000123.json           on the training data; …-test.json on the test data
    sessions.jsonl                           when each process started and ended, and its time

Two runs of one configuration on one machine agree in every byte except for ``sessions.jsonl``.
Files that belong to an epoch repeat the identity of their run.
"""

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.storage.atomic import (
    make_folder,
    refuse_link,
    remove_drafts,
    replace_file,
    write_errors,
)
from deepnrc.storage.lock import HeldLock, file_lock
from deepnrc.storage.reading import read_json
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import config_text, read_config
from deepnrc.training.config.older import as_meant, changes, with_rcond
from deepnrc.training.runs.faults import find_faults, refuse_fault
from deepnrc.training.runs.manifest import RunManifest, run_id

__all__ = ["RunFolder", "lock_folder", "named_folder"]

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
        self.figures = path / "figures"

    def weights(self, epoch: int) -> Path:
        """The file of the weights of an epoch."""
        return self.path / "checkpoints" / f"epoch-{epoch:06d}.safetensors"

    def measurement(self, epoch: int, part: str = "train") -> Path:
        """The file of a measurement on the ``"train"`` or ``"test"`` part."""
        ending = "" if part == "train" else f"-{part}"
        return self.measurements / f"epoch-{epoch:06d}{ending}.json"

    def manifest(self) -> RunManifest | None:
        """What the run has written; None before its first state, and of older versions.

        Raises:
            FileError: The manifest is damaged or was altered.
        """
        return RunManifest.read(self.path)

    def identity(self) -> str:
        """That of the run, from its configuration and provenance as their files hold them."""
        config = tomllib.loads(self.config.read_text(encoding="utf-8"))
        return run_id(config, read_json(self.provenance))

    def epochs(self) -> list[int]:
        """Epochs with saved weights, ascending; by the manifest, where there is one."""
        manifest = self.manifest()
        if manifest is not None:
            return manifest.epochs()
        names = (_EPOCH.fullmatch(file.name) for file in self.latest.parent.glob("epoch-*"))
        return sorted(int(name[1]) for name in names if name)

    def read_config(self) -> ExperimentConfig:
        """The run's configuration.

        Raises:
            FileError: The folder holds no run, or the configuration was altered.
        """
        refuse_fault(self.manifest(), self.config)
        if not self.config.is_file():
            raise FileError(f"'{self.path}' is not the folder of a run: it has no config.toml")
        return as_meant(read_config(self.config))

    def as_begun(self, config: ExperimentConfig) -> ExperimentConfig:
        """The configuration as the folder's run, which it matches, was begun with.

        A folder that is older than ``measure.rcond`` stays with the cut-off of its time, so that
        all measurements of one run mean the same.
        """
        return with_rcond(config, self.read_config().measure.rcond)

    def is_finished(self, config: ExperimentConfig) -> bool:
        """Whether the folder holds a run of this configuration that reached its last epoch."""
        if not self.config.is_file() or not self.sessions.is_file():
            return False
        try:
            if changes(tomllib.loads(self.config.read_text(encoding="utf-8")), config):
                return False  # the run itself will refuse it, and name the keys
            manifest = self.manifest()
            if manifest is not None and (
                manifest.epoch < config.training.epochs or find_faults(manifest, by_size=True)
            ):
                return False  # what is lost is made again, or named
            sessions = self.sessions.read_text(encoding="utf-8", errors="replace").splitlines()
        except (DeepNRCError, OSError, ValueError, RecursionError):
            return False  # the run itself will say what is wrong
        return any(_is_end(line) for line in sessions)

    def refuse_another(self, config: ExperimentConfig) -> None:
        """Refuse a folder that is not this run's or a new one's; nothing is written.

        Raises:
            FileError: The folder holds other files or a run of another configuration, or is a file.
        """
        manifest = self.manifest()
        if manifest is not None and manifest.holds(self.config, config_text(config).encode()):
            return  # the configuration's own file may even be damaged: it is written again
        refuse_fault(manifest, self.config)
        if self.config.is_file():
            self._refuse_changes(config)
            return
        if not self.path.exists():
            return
        with write_errors(self.path):
            others = [file.name for file in self.path.iterdir() if not file.name.startswith(".")]
        if set(others) - {"checkpoints", "measurements"}:
            raise FileError(
                f"'{self.path}' holds other files ({', '.join(sorted(others)[:3])}, …) and no "
                "run: choose an empty or new folder with --out"
            )

    def prepare(self, config: ExperimentConfig) -> bool:
        """Prepare the folder for a run of this configuration; its lock must be held.

        Returns:
            Whether the configuration of a run was damaged or lost, and is written again.

        Raises:
            FileError: As `refuse_another`, or the folder cannot be written to, or a link in it
                leads elsewhere.
        """
        self.refuse_another(config)
        for folder in (self.path, self.latest.parent, self.measurements):
            make_folder(folder, within=self.path)
            remove_drafts(folder)
        if self.figures.exists():
            make_folder(self.figures, within=self.path)
            remove_drafts(self.figures)
            for file in self.figures.iterdir():
                refuse_link(file)
        manifest = self.manifest()
        damaged = manifest is not None and manifest.fault(self.config) != ""
        if damaged or not self.config.is_file():
            replace_file(self.config, config_text(config).encode())
        return damaged

    def _refuse_changes(self, config: ExperimentConfig) -> None:
        try:
            before = tomllib.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise FileError(
                f"'{self.config}' cannot be read ({error}): it was cut off or altered; restore it "
                "from a copy, or choose another folder with --out"
            ) from error
        changed = changes(before, config)
        if changed:
            raise FileError(
                f"'{self.path}' holds a run of another configuration: choose another folder with "
                "--out, or undo the changes:\n  " + "\n  ".join(changed)
            )


def named_folder(parent: str, name: str) -> Path:
    """The folder of an experiment where no other is chosen: ``PARENT/NAME``.

    Raises:
        ArgumentError: The name is not that of one folder, such as ``"../x"``; a configuration from
            elsewhere must not lead out of the parent.
    """
    if name in ("", ".", "..") or not name.isprintable() or any(c in name for c in "/\\"):
        raise ArgumentError(
            f"name is {name!a}, which is not the name of one folder: give the experiment "
            "another name, or choose its folder with --out"
        )
    return Path(parent) / name


@contextlib.contextmanager
def lock_folder(path: Path) -> Iterator[HeldLock]:
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

    with file_lock(path / ".lock", refuse) as lock:
        yield lock


def _is_end(line: str) -> bool:
    try:
        return "ended" in json.loads(line)
    except ValueError:  # a line that a killed process did not complete
        return False
