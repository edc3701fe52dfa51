"""Read a published expert set, whichever of the known formats lies at the path."""

from collections.abc import Iterator
from pathlib import Path

from deepnrc.data.access.files import distinct_files
from deepnrc.data.sets.imitation.episodes import Episode, join_episodes
from deepnrc.data.sets.imitation.hdf5 import hdf5_episodes
from deepnrc.data.sets.imitation.jat import JAT_SUFFIX, jat_episodes
from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.source import RawData
from deepnrc.errors import ArgumentError, FileError

__all__ = ["read_real"]

SUFFIXES = (".hdf5", ".h5", JAT_SUFFIX)
MINARI_FILE = "main_data.hdf5"


def read_real(task: Task, path: Path, *, weak: bool = False) -> RawData:
    """Read an expert set of Minari, D4RL or JAT from disk.

    Args:
        task: The environment that the set must be of.
        path: A Minari folder, its ``main_data.hdf5``, a D4RL file, a Parquet file of JAT, or a
            folder of such files of one kind, which are read in the order of their names. If some
            are named ``train…``, the others (JAT's ``test`` split) are left out.

        weak: Of built sets; it has no effect here.

    Returns:
        All pairs in stored order, float32; Reacher-v4 and older have an eleventh input column.

    Raises:
        ArgumentError: Nothing at the path is of a known format, or a library that reads the format
            is not installed.
        FileError: The path does not exist or a file is damaged.
        DataError: The content does not fit the task; `NonFiniteError` for NaN or infinity.

    Warns:
        DeepNRCWarning: Files are copies of others and left out.
    """
    distinct = distinct_files(_files(Path(path)))
    files = distinct.files
    kind = "JAT" if files[0].suffix == JAT_SUFFIX else "Minari or D4RL"
    return join_episodes(
        task,
        _episodes(files),
        {
            "made_from": f"real files ({kind}): {', '.join(file.name for file in files)}",
            **distinct.facts,
            "files": distinct.sha256,
        },
    )


def _episodes(files: tuple[Path, ...]) -> Iterator[Episode]:
    for file in files:
        yield from jat_episodes(file) if file.suffix == JAT_SUFFIX else hdf5_episodes(file)


def _files(path: Path) -> tuple[Path, ...]:
    """The files to read, of one kind, in order."""
    if not path.exists():
        raise FileError(f"{path} does not exist: pass the path of an expert set")
    known = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise ArgumentError(
                f"path must be a file ending in {known}; got {path.name}: rename it or pass another"
            )
        return (path,)
    for folder in (path, path / "data"):
        if (folder / MINARI_FILE).is_file():
            return (folder / MINARI_FILE,)
    for suffix in SUFFIXES:
        found = sorted(path.glob(f"*{suffix}"))
        if found:
            training = [file for file in found if file.name.startswith("train")]
            return tuple(training or found)
    raise ArgumentError(
        f"path must be a Minari folder (with data/{MINARI_FILE}) or a folder with files ending in "
        f"{known}; got {path}, which has none: pass another"
    )
