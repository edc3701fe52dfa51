"""What a run has written: size and SHA-256 of each file, up to its newest state.

The manifest is written before each state and names both the new state and the one it replaces, so
that a process may be killed between the two. Of the log it covers the entries up to the state's
epoch. It leaves out ``sessions.jsonl``, in which even equal runs differ.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from deepnrc.errors import FileError
from deepnrc.storage.atomic import replace_file
from deepnrc.storage.documents import document_text, read_document
from deepnrc.storage.indented import indented
from deepnrc.storage.manifest import MANIFEST, file_sha256
from deepnrc.storage.schema import check_record
from deepnrc.support.text import shown

__all__ = ["LATEST", "LOG", "ManifestRecord", "RunManifest", "is_run_manifest", "run_id"]

LOG = "log.jsonl"
LATEST = "checkpoints/latest.safetensors"
_NAMES = {"config.toml", "provenance.json", "environment.json", LOG, LATEST}
_OF_EPOCH = re.compile(
    r"checkpoints/epoch-(\d{6,})\.safetensors|measurements/epoch-(\d{6,})(?:-test)?\.json"
)
_KIND, _VERSION = "run", 1
_ADVICE = (
    "restore it from a copy, or delete it: then each file is checked by its own digest alone, "
    "where it has one"
)


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file of a run.

    Attributes:
        size: In bytes; of the log, those up to the state's epoch.
        sha256: Of these bytes.
        epoch: Of weights, a state, a measurement; of the log, the last one.
        before: SHA-256 of the state that this one replaces, which may still be in its place.
    """

    size: int
    sha256: str
    epoch: int = 0
    before: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """What every file of weights holds under a name."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ManifestRecord:
    """A manifest as its file holds it.

    Attributes:
        run: Its identity, which its files repeat.
        epoch: Of the newest state.
        tensors: Of the weights, by name.
        files: By path in the folder, with forward slashes.
    """

    run: str
    epoch: int
    tensors: Mapping[str, StoredTensor]
    files: Mapping[str, WrittenFile] = field(default_factory=dict)


def run_id(config: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """The identity of a run: of its configuration and data, the same for equal runs."""
    # Another version of this package reads the same rows.
    content = [config, {**provenance, "deepnrc": ""}]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_run_manifest(folder: Path) -> bool:
    """Whether a folder is that of a run, also where its configuration is lost."""
    return (folder / MANIFEST).is_file() and (folder / "checkpoints").is_dir()


class RunManifest:
    """The manifest of a run, in memory; `write` makes it the folder's.

    Args:
        folder: Of the run.
        run: Its identity, see `run_id`.

    Attributes:
        folder: As given.
        run: As given.
        epoch: Of the newest state; −1 before the first.
        files: By path in the folder, as `WrittenFile` describes them.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run, self.epoch = folder, run, -1
        self.files: dict[str, dict[str, Any]] = {}
        self.tensors: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, str] = {}

    @classmethod
    def read(cls, folder: Path) -> "RunManifest | None":
        """That of a folder; None where there is none, as in those of older versions.

        Raises:
            FileError: It is damaged, or was altered.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            record = read_document(
                path,
                {_KIND: _VERSION},
                check=lambda record: check_record(ManifestRecord, record, path, advice=_ADVICE),
            )
        except FileError as error:
            text = str(error)
            raise error if _ADVICE in text else FileError(f"{text}; {_ADVICE}") from error
        _check_names(record["files"], path)
        manifest = cls(folder, record["run"])
        manifest.epoch, manifest.tensors = record["epoch"], record["tensors"]
        for name, entry in record["files"].items():
            manifest._put(name, entry)
        return manifest

    def add(self, path: Path, content: bytes, *, epoch: int | None = None) -> None:
        """Add a file that was written, in place of an older one.

        Args:
            path: In the folder.
            content: All of it.
            epoch: Of weights or a measurement.
        """
        entry: dict[str, Any] = {"size": len(content), "sha256": _sha256(content)}
        self._put(self._name(path), entry if epoch is None else {**entry, "epoch": epoch})

    def add_log(self, size: int, sha256: str, epoch: int) -> None:
        """Set what the log holds up to an epoch."""
        self._put(LOG, {"size": size, "sha256": sha256, "epoch": epoch})

    def add_state(self, content: bytes, epoch: int) -> None:
        """Set the state that is about to be written over the one before."""
        before = self.files.get(LATEST, {}).get("sha256")
        entry = {"size": len(content), "sha256": _sha256(content), "epoch": epoch}
        self._put(LATEST, entry if before is None else {**entry, "before": before})
        self.epoch = epoch

    def add_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Set names, types and shapes of the weights."""
        self.tensors = {
            name: {"dtype": str(x.dtype).removeprefix("torch."), "shape": list(x.shape)}
            for name, x in tensors.items()
        }

    def settle(self) -> bool:
        """Forget the state before the newest, which is in its place; whether there was one."""
        entry = self.files.get(LATEST, {})
        if "before" not in entry:
            return False
        self._put(LATEST, {name: value for name, value in entry.items() if name != "before"})
        return True

    def roll_back(self, state: WrittenFile, log: WrittenFile) -> None:
        """Return to an older state, whose process was killed before it wrote the newer one."""
        later = [n for n, entry in self.files.items() if entry.get("epoch", -1) > state.epoch]
        for name in (*later, LATEST):
            self.files.pop(name, None)
            self._lines.pop(name, None)
        self.add_log(log.size, log.sha256, log.epoch)
        self._put(LATEST, {"size": state.size, "sha256": state.sha256, "epoch": state.epoch})
        self.epoch = state.epoch

    def epochs(self) -> list[int]:
        """Epochs with weights, ascending."""
        names = (name for name in self.files if name.startswith("checkpoints/epoch-"))
        return sorted(int(self.files[name]["epoch"]) for name in names)

    def holds(self, path: Path, content: bytes | None = None) -> bool:
        """Whether a file is in it; with this content, if that is given."""
        entry = self.files.get(self._name(path))
        if entry is None or content is None:
            return entry is not None
        return bool(entry["sha256"] == _sha256(content))

    def fault(self, path: Path, *, by_size: bool = False) -> str:
        """What is wrong with a file: ``""``, ``"missing"``, ``"altered"`` or ``"unknown"``.

        A state that is the one before the newest is as it should be.

        Args:
            path: In the folder.
            by_size: Whether only its size is looked at.

        Raises:
            FileError: It cannot be read.
        """
        name = self._name(path)
        entry = self.files.get(name)
        if entry is None:
            return "unknown"
        if not path.is_file():
            return "missing"
        size = path.stat().st_size
        fits = size >= entry["size"] if name == LOG else size == entry["size"]
        if by_size or not fits:
            return "" if fits or (name == LATEST and self._is_before(path)) else "altered"
        sha256 = _prefix_sha256(path, entry["size"]) if name == LOG else file_sha256(path)
        return "" if sha256 in (entry["sha256"], entry.get("before")) else "altered"

    def faults(self, *, by_size: bool = False) -> Iterator[tuple[Path, str]]:
        """Each file that is missing or altered, and which of the two."""
        for name in list(self.files):
            problem = self.fault(self.folder / name, by_size=by_size)
            if problem:
                yield self.folder / name, problem

    def write(self) -> None:
        """Write it to the folder, atomically.

        Raises:
            FileError: It cannot be written; an older one is unchanged.
        """
        names = sorted(self.files)  # the same order, whenever a process was killed
        files = ",\n".join(self._lines[name] for name in names)
        facts = {"run": self.run, "epoch": self.epoch, "tensors": self.tensors}
        record = f'{indented(facts, 1)[:-3]},\n  "files": {{\n{files}\n  }}\n }}'
        replace_file(self.folder / MANIFEST, document_text(_KIND, _VERSION, record).encode())

    def _put(self, name: str, entry: Mapping[str, Any]) -> None:
        self.files[name] = dict(entry)
        # As text, because there may be hundreds of files, few of which change.
        self._lines[name] = f"   {indented(name)}: {indented(entry, 3)}"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is_before(self, path: Path) -> bool:
        before = self.files[LATEST].get("before")
        return before is not None and file_sha256(path) == before


def _check_names(files: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """A manifest from elsewhere names nothing outside its folder."""
    for name, entry in files.items():
        match = _OF_EPOCH.fullmatch(name)
        number = None if match is None else int(match[1] or match[2])
        fits = name in _NAMES if number is None else number == entry.get("epoch")
        if not fits:
            raise FileError(
                f"'{path}' names the file '{shown(name)}', which no run writes: {_ADVICE}"
            )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _prefix_sha256(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            return _sha256(file.read(size))
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from error
