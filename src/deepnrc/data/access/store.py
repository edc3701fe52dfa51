"""Built sets in the cache folder: whole or not there, one builder at a time, checked when used."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from deepnrc.data.access.cache import build_command, data_folder, write_atomically
from deepnrc.data.registry import find_source
from deepnrc.data.source import BuildRequest, RawData, Source
from deepnrc.errors import ArgumentError, DeepNRCError, FileError

__all__ = [
    "BuiltSet",
    "build",
    "built_sets",
    "check_built",
    "check_folder",
    "file_sha256",
    "find_built",
]

MANIFEST = "manifest.json"
LAYOUT = "deepnrc-folder-1"  # counts up when an older reader would misunderstand the manifest


@dataclass(frozen=True)
class BuiltSet:
    """One set in the cache folder.

    Attributes:
        path: A file of tensors, or a folder with a manifest.
        samples: Rows asked for when it was built.
        seed: Asked for when it was built.
    """

    path: Path
    samples: int
    seed: int


def build(
    name: str,
    *,
    samples: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
    again: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Build a set into the cache folder, unless it is there already and unaltered.

    Of two processes that build the same set at once, the second waits and takes what the first
    built. A process that is killed leaves nothing that could be taken for a set.

    Args:
        name: Of the data set.
        samples: Rows; None is the set's default.
        seed: Fixes every random choice.
        seconds: Most time to spend on training an expert; None is the builder's own bound.
        again: Build also where an unaltered one is there; it is replaced when the new one is done.
        say: Takes a line about the progress.

    Returns:
        The file or folder.

    Raises:
        ArgumentError: if there is no such set, it cannot be built, or a number makes no sense.
        FileError: if the cache folder cannot be written to.
    """
    source = find_source(name)
    if source.build is None:
        raise ArgumentError(f"name: '{name}' cannot be built here; {_otherwise(source)}")
    samples = source.default_samples if samples is None else samples
    if samples < 1 or seed < 0:
        raise ArgumentError(
            f"samples and seed: expected at least 1 and 0, got {samples} and {seed}; pass larger "
            "ones"
        )
    with _alone(name, samples, seed, say):
        there = find_built(name, samples, seed)
        if there is not None and not again:
            try:
                check_built(source, there)
            except FileError as error:
                say(f"{error}. Building it again now")
            else:
                say(f"{name}: already built and unaltered")
                return there.path
        return _build(source, BuildRequest(samples, seed, seconds, say))


def built_sets(name: str) -> tuple[BuiltSet, ...]:
    """The sets of this name in the cache folder, smallest first; nothing is checked yet."""
    pattern = re.compile(rf"{re.escape(name)}-samples(\d+)-seed(\d+)(\.safetensors)?")
    folder = data_folder()
    if not folder.is_dir():
        return ()
    found = []
    for path in folder.iterdir():
        match = pattern.fullmatch(path.name)
        if match:
            found.append(BuiltSet(path, int(match[1]), int(match[2])))
    return tuple(sorted(found, key=lambda one: (one.samples, one.seed)))


def find_built(name: str, samples: int, seed: int) -> BuiltSet | None:
    """The set of this size and seed in the cache folder, or None; nothing is checked yet."""
    wanted = (samples, seed)
    return next((s for s in built_sets(name) if (s.samples, s.seed) == wanted), None)


def check_built(source: Source, built: BuiltSet, **options: object) -> tuple[RawData, str]:
    """Read a built set, after a look whether it is as it was built.

    Returns:
        Its rows, and the SHA-256 of the file or of the folder's manifest.

    Raises:
        FileError: if something is missing or altered; the message has the command that builds it.
    """
    assert source.read_built is not None
    if built.path.is_dir():
        rebuild = build_command(source.name, built.samples, built.seed)
        sha256 = check_folder(built.path, rebuild=rebuild)
    else:
        sha256 = file_sha256(built.path)
    return source.read_built(built.path, **options), sha256


def check_folder(folder: Path, *, rebuild: str) -> str:
    """Compare every file of a built folder with the SHA-256 in its manifest.

    Args:
        folder: As `build` left it.
        rebuild: The command that makes it, for the error message.

    Returns:
        The SHA-256 of the manifest, which stands for the whole.

    Raises:
        FileError: if a file is missing, altered or not of the set; the message names it.
    """
    again = f"build it again with `{rebuild} --again`"
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{folder / MANIFEST} cannot be read as the set's list of files ({error!r}); {again}"
        ) from error
    if manifest.get("layout") != LAYOUT:
        raise FileError(
            f"{folder}: expected a folder of layout {LAYOUT!r}, got {manifest.get('layout')!r}; "
            f"{again}"
        )
    there = set(_files(folder))
    for problem, names in (("is missing", files.keys() - there), ("is new", there - files.keys())):
        if names:
            raise FileError(f"{folder / min(names)} {problem} since the set was built; {again}")
    for name, sha256 in sorted(files.items()):
        if file_sha256(folder / name) != sha256:
            raise FileError(
                f"{folder / name} was altered after it was written: its SHA-256 differs from the "
                f"one in {MANIFEST}; {again}"
            )
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        FileError: if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error}); check the path") from error


@contextmanager
def _alone(name: str, samples: int, seed: int, say: Callable[[str], None]) -> Iterator[None]:
    """One process at a time; the lock goes with the process, however that ends."""
    folder = data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{_stem(name, samples, seed)}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"{name}: another process is building this set; waiting for it")
            lock.acquire()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _build(source: Source, request: BuildRequest) -> Path:
    assert source.build is not None
    folder, stem = data_folder(), _stem(source.name, request.samples, request.seed)
    _remove_drafts(folder, stem)  # of a process that was killed, before the disk is filled
    try:
        draft = _draft(folder, stem)
        source.build(draft, request)
        if not draft.is_dir():
            path = folder / f"{stem}.safetensors"
        else:
            path = folder / stem
            files = {name: file_sha256(draft / name) for name in _files(draft)}
            manifest = json.dumps({"layout": LAYOUT, "files": files}, indent=1, sort_keys=True)
            write_atomically(draft / MANIFEST, manifest.encode())
            if path.exists():  # a folder cannot be renamed onto another
                os.replace(path, _draft(folder, stem))
        os.replace(draft, path)
    except DeepNRCError:
        raise
    except OSError as error:
        raise _unwritable(folder / stem, error) from error
    finally:
        _remove_drafts(folder, stem)
    return path


def _draft(folder: Path, stem: str) -> Path:
    return folder / f".{stem}.{secrets.token_hex(4)}.draft"


def _remove_drafts(folder: Path, stem: str) -> None:
    for path in folder.glob(f".{stem}.*.draft"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path} cannot be written ({error}); free the disk or set DEEPNRC_HOME to a folder that "
        "can be written to"
    )


def _files(folder: Path) -> list[str]:
    """Every file below, but for the manifest, with forward slashes."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name != MANIFEST)


def _stem(name: str, samples: int, seed: int) -> str:
    return f"{name}-samples{samples}-seed{seed}"


def _otherwise(source: Source) -> str:
    if source.make is not None:
        return "it is made in memory when it is loaded"
    if source.downloads:
        return f"`deepnrc data fetch {source.name}` gets the real files"
    return "load the real files with path=…"
