"""Reading all of a run's folder, and saying what is wrong in it and what to do."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from deepnrc.errors import DeepNRCError, FileError
from deepnrc.storage.atomic import is_draft
from deepnrc.storage.manifest import MANIFEST
from deepnrc.storage.reading import read_json
from deepnrc.storage.schema import check_record
from deepnrc.support.text import shown
from deepnrc.training.runs.checkpoint import check_state, check_weights
from deepnrc.training.runs.entries import EnvironmentRecord, SessionEntry, check_entries
from deepnrc.training.runs.faults import Fault, find_faults
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import read_log, read_sessions
from deepnrc.training.runs.manifest import LOG, RunManifest
from deepnrc.training.runs.measured import load_measured

__all__ = ["check_run"]

_EPOCH = re.compile(r"epoch-(\d{6,})(?:-test)?\.(?:json|safetensors)")
_OWN = {MANIFEST, "sessions.jsonl", ".lock", ".lock.holder", "figures"}


def check_run(path: Path) -> tuple[list[str], list[str]]:
    """Read every file of a run, down to the last bit.

    Args:
        path: Of the run's folder; nothing is written to it.

    Returns:
        What is wrong, each with the file and what to do; and what should be known besides.
    """
    folder = RunFolder(path)
    wrong: list[str] = []
    try:
        manifest = folder.manifest()
    except FileError as error:
        return [str(error)], []
    known = [] if manifest is None else find_faults(manifest)
    faulty = {fault.path for fault in known}
    wrong += map(str, known)
    for file, read in _readings(folder, manifest):
        if file not in faulty:
            try:
                read()
            except (DeepNRCError, OSError) as error:
                wrong.append(str(error))
    notes = []
    if manifest is None:
        notes.append(
            f"'{shown(path)}' has no {MANIFEST}: an older version wrote it, no state is saved yet, "
            f"or {MANIFEST} was removed; files are checked by their own digests, where they have "
            "one"
        )
    elif folder.log.is_file() and folder.log.stat().st_size > manifest.files.get(LOG, {}).get(
        "size", 0
    ):
        notes.append(
            f"'{shown(folder.log)}' holds lines after epoch {manifest.epoch}, that of the newest "
            "state: the next session trains these epochs again and writes the lines anew"
        )
    for text, harms in _others(folder, manifest):
        (wrong if harms else notes).append(text)
    return list(dict.fromkeys(wrong)), notes


def _readings(
    folder: RunFolder, manifest: RunManifest | None
) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Each file with what reads all of it."""
    run = "" if manifest is None else manifest.run
    tensors = {} if manifest is None else manifest.tensors
    yield folder.config, folder.read_config
    yield folder.environment, lambda: _check_environment(folder.environment)
    if folder.provenance.exists():
        yield folder.provenance, lambda: read_json(folder.provenance)
    if folder.log.exists():
        yield folder.log, lambda: check_entries(read_log(folder.log), folder.log)
    if folder.sessions.exists():
        yield folder.sessions, lambda: _check_sessions(folder)
    for epoch in folder.epochs():
        weights = folder.weights(epoch)
        yield weights, partial(check_weights, weights, epoch, run, tensors)
        for part in ("train", "test"):
            yield (
                folder.measurement(epoch, part),
                partial(load_measured, folder, epoch, part, manifest=manifest),
            )
    if folder.latest.exists():
        yield folder.latest, lambda: check_state(folder.latest, run)


def _check_environment(path: Path) -> None:
    if path.exists():
        advice = "it was altered; delete it, and the next session writes its own"
        check_record(EnvironmentRecord, read_json(path), path, advice=advice)


def _check_sessions(folder: RunFolder) -> None:
    advice = "it was altered; results do not depend on it: remove the line"
    for number, entry in read_sessions(folder.sessions):
        check_record(SessionEntry, entry, f"{folder.sessions}' line '{number}", advice=advice)


def _others(folder: RunFolder, manifest: RunManifest | None) -> Iterator[tuple[str, bool]]:
    """Files that the manifest does not list: each in words, and whether something is wrong."""
    names = set() if manifest is None else set(manifest.files)
    for file in sorted(folder.path.rglob("*")):
        name = file.relative_to(folder.path).as_posix()
        if file.is_symlink():
            yield f"'{shown(file)}' is a symbolic link: replace it by what it leads to", True
        elif is_draft(file):
            yield f"'{shown(file)}' was left by a killed process; the next one removes it", False
        elif file.is_dir() or name in names or name.partition("/")[0] in _OWN:
            continue
        elif manifest is not None:
            match = _EPOCH.fullmatch(file.name)
            if match and int(match[1]) > manifest.epoch:
                yield (
                    f"'{shown(file)}' was left by a killed process; the next writes it anew",
                    False,
                )
            else:
                yield str(Fault(file, "unknown", "")), match is not None
