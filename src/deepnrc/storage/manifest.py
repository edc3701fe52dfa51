"""Folders that can be checked: a manifest lists each file with its SHA-256."""

import hashlib
import json
from pathlib import Path

from deepnrc.errors import FileError
from deepnrc.storage.atomic import write_atomically
from deepnrc.storage.reading import parse_json, read_bounded

__all__ = ["MANIFEST", "check_manifest", "file_sha256", "write_manifest"]

MANIFEST = "manifest.json"
_LAYOUT = "deepnrc-folder-1"  # counts up when an older reader would misunderstand the manifest


def write_manifest(folder: Path) -> None:
    """List every file below a folder with its SHA-256, in ``manifest.json``.

    Raises:
        FileError: A file cannot be read, or the manifest cannot be written.
    """
    files = {name: file_sha256(folder / name) for name in _files(folder)}
    manifest = json.dumps({"layout": _LAYOUT, "files": files}, indent=1, sort_keys=True)
    write_atomically(folder / MANIFEST, manifest.encode())


def check_manifest(folder: Path, *, advice: str) -> str:
    """Compare every file below a folder with its manifest.

    Args:
        folder: As `write_manifest` left it.
        advice: What to do where it has changed; the end of the message.

    Returns:
        The SHA-256 of the manifest, which stands for the whole folder.

    Raises:
        FileError: A file is missing, altered or not in the manifest; the message names it.
    """
    try:
        content = read_bounded(folder / MANIFEST)
        manifest = parse_json(content, folder / MANIFEST)
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"'{folder / MANIFEST}' cannot be read as a list of files ({error!r}): {advice}"
        ) from error
    if manifest.get("layout") != _LAYOUT:
        raise FileError(
            f"'{folder}' has the layout {manifest.get('layout')!r}; expected {_LAYOUT!r}: {advice}"
        )
    present = set(_files(folder))
    for problem, names in (
        ("is missing", files.keys() - present),
        ("is new", present - files.keys()),
    ):
        if names:
            raise FileError(
                f"'{folder / min(names)}' {problem} since the folder was written: {advice}"
            )
    for name, sha256 in sorted(files.items()):
        if file_sha256(folder / name) != sha256:
            raise FileError(
                f"'{folder / name}' was altered after it was written: its SHA-256 differs from the "
                f"one in {MANIFEST}; {advice}"
            )
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Raises:
        FileError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from error


def _files(folder: Path) -> list[str]:
    """Every file below a folder except its manifest, with forward slashes."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name != MANIFEST)
