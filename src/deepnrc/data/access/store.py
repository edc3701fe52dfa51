"""Built sets in the cache folder: complete or absent, one builder at a time, checked on reading."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deepnrc.data.access.cache import build_command, data_folder
from deepnrc.data.registry import find_source
from deepnrc.data.source import BuildRequest, RawData, Source
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.atomic import draft_path, remove_drafts, replace_by_draft, write_errors
from deepnrc.storage.lock import file_lock
from deepnrc.storage.manifest import check_manifest, file_sha256, write_manifest

__all__ = [
    "BuiltSet",
    "build",
    "built_sets",
    "check_built",
    "find_built",
]


_WEAK = "-weak"


@dataclass(frozen=True)
class BuiltSet:
    """One set in the cache folder.

    Attributes:
        path: A file of tensors, or a folder with a manifest.
        samples: Requested number of rows.
        seed: Requested seed.
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
    weak: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Build a set into the cache folder, unless it is there already and unaltered.

    Of two processes that build the same set at once, the second waits and uses what the first
    built. A process that is killed leaves no incomplete set.

    Args:
        name: Of the data set.
        samples: Number of rows; None is the set's default.
        seed: Determines every random choice.
        seconds: Largest time for training an expert; None is the builder's own limit.
        weak: Store the set of an expert that reaches less than usual under a name of its own, from
            which ``load(…, weak=True)`` reads it; otherwise such an expert is refused.
        again: Build even if there is an unaltered set; the new one replaces it when it is complete.
        say: Receives lines about the progress.

    Returns:
        The file or folder.

    Raises:
        ArgumentError: There is no such set, it cannot be built, a number is out of its range, or a
            library that building needs is not installed.
        FileError: The cache folder cannot be written to.
    """
    source = find_source(name)
    if source.build is None:
        raise ArgumentError(f"'{name}' cannot be built: {_otherwise(source)}")
    if weak and "weak" not in source.options:
        raise ArgumentError(f"weak must be left out for '{name}', for which no expert is trained")
    samples = source.default_samples if samples is None else samples
    request = BuildRequest(samples, seed, seconds, say, weak)
    with _build_lock(_stem(name, samples, seed, weak=weak), say):
        there = find_built(name, samples, seed, weak=weak)
        if there is not None and not again:
            try:
                check_built(source, there, **({"weak": True} if weak else {}))
            except FileError as error:
                say(f"{error}. It is built again now")
            else:
                say(f"{name}: already built and unaltered")
                return there.path
        return _build(source, request)


def built_sets(name: str, *, weak: bool = False) -> tuple[BuiltSet, ...]:
    """The sets of this name in the cache folder, smallest first; nothing is checked yet.

    Args:
        name: Of the data set.
        weak: Those of weak experts, in place of the others.
    """
    end = _WEAK if weak else ""
    pattern = re.compile(rf"{re.escape(name)}-samples(\d+)-seed(\d+){end}(\.safetensors)?")
    folder = data_folder()
    if not folder.is_dir():
        return ()
    found = []
    for path in folder.iterdir():
        match = pattern.fullmatch(path.name)
        if match:
            found.append(BuiltSet(path, int(match[1]), int(match[2])))
    return tuple(sorted(found, key=lambda one: (one.samples, one.seed)))


def find_built(name: str, samples: int, seed: int, *, weak: bool = False) -> BuiltSet | None:
    """The set of this size and seed in the cache folder, or None; nothing is checked yet.

    Args:
        name: Of the data set.
        samples: Requested number of rows.
        seed: Requested seed.
        weak: That of a weak expert, in place of the other.
    """
    wanted = (samples, seed)
    return next((s for s in built_sets(name, weak=weak) if (s.samples, s.seed) == wanted), None)


def check_built(source: Source, built: BuiltSet, **options: object) -> tuple[RawData, str]:
    """Read a built set after checking that it is unaltered.

    Returns:
        Its rows, and the SHA-256 of the file or of the folder's manifest.

    Raises:
        FileError: A file is missing or altered; the message has the command that builds the set.
    """
    assert source.read_built is not None
    if built.path.is_dir():
        rebuild = build_command(source.name, built.samples, built.seed)
        sha256 = check_manifest(built.path, advice=f"build it again with `{rebuild} --again`")
    else:
        sha256 = file_sha256(built.path)
    return source.read_built(built.path, **options), sha256


@contextmanager
def _build_lock(stem: str, say: Callable[[str], None]) -> Iterator[None]:
    """One process at a time builds a set; another one waits."""

    def on_busy(holder: str) -> None:
        say(f"{stem}: {holder} is building this set; waiting for it")

    folder = data_folder()
    lock = file_lock(folder / f".{stem}.lock", on_busy)
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except FileError as error:
            raise FileError(
                f"{error}: free the disk, or set DEEPNRC_HOME to a folder that can be written to"
            ) from error
        yield


def _build(source: Source, request: BuildRequest) -> Path:
    assert source.build is not None
    folder = data_folder()
    stem = _stem(source.name, request.samples, request.seed, weak=request.weak)
    remove_drafts(folder, stem)  # of a process that was killed, before the disk is filled
    draft = draft_path(folder / stem)
    try:
        with write_errors(folder / stem):
            source.build(draft, request)
        path = folder / (stem if draft.is_dir() else f"{stem}.safetensors")
        if draft.is_dir():
            write_manifest(draft)
        replace_by_draft(path, draft)
    finally:
        remove_drafts(folder, stem)
    return path


def _stem(name: str, samples: int, seed: int, *, weak: bool) -> str:
    return f"{name}-samples{samples}-seed{seed}{_WEAK if weak else ''}"


def _otherwise(source: Source) -> str:
    if source.make is not None:
        return "it is made in memory when it is loaded"
    if source.downloads:
        return f"download the real files with `deepnrc data fetch {source.name}`"
    return "load the real files with path=…"
