"""Find out what kind of expert set lies at a path, and read it."""

from collections.abc import Iterator
from pathlib import Path

from deepnrc.data.sets.imitation.episodes import Episode, join_episodes
from deepnrc.data.sets.imitation.hdf5 import hdf5_episodes
from deepnrc.data.sets.imitation.jat import JAT_SUFFIXES, jat_episodes
from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.source import RawData
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.manifest import file_sha256

__all__ = ["read_real"]

HDF5_SUFFIXES = (".hdf5", ".h5")
MINARI_FILE = "main_data.hdf5"


def read_real(task: Task, path: Path) -> RawData:
    """Read an expert set of Minari, D4RL or JAT from disk.

    Args:
        task: Which environment it should be of.
        path: A Minari folder, its ``main_data.hdf5`` or a D4RL file; or a Parquet, Arrow, JSON,
            JSON Lines or NPZ file of JAT episodes, or a folder of such files of one kind, which
            are read in the order of their names. Where some are named ``train…``, the others
            (JAT's ``test`` split) are left out.

    Returns:
        All pairs in stored order, float32; Reacher-v4 and older have an eleventh input column.

    Raises:
        ArgumentError: if nothing at the path is of a known kind.
        FileError: if the path does not exist or a file is damaged.
        DataError: if the content does not fit the task; `NonFiniteError` for NaN or infinity.
        DeepNRCError: if a library that reads the format is not installed.
    """
    path = Path(path)
    files = _files(path)
    kind = "Minari or D4RL" if files[0].suffix in HDF5_SUFFIXES else "JAT"
    return join_episodes(
        task,
        _episodes(files),
        {
            "made_from": f"real files ({kind}): {', '.join(file.name for file in files)}",
            "files": {file.name: file_sha256(file) for file in files},
        },
    )


def _episodes(files: tuple[Path, ...]) -> Iterator[Episode]:
    for file in files:
        yield from hdf5_episodes(file) if file.suffix in HDF5_SUFFIXES else jat_episodes(file)


def _files(path: Path) -> tuple[Path, ...]:
    """The files to read, one kind, in order."""
    if not path.exists():
        raise FileError(f"{path} does not exist; pass the path of an expert set")
    if path.is_file():
        if path.suffix not in HDF5_SUFFIXES + JAT_SUFFIXES:
            raise ArgumentError(
                f"path: expected a file ending in {_one_of(HDF5_SUFFIXES + JAT_SUFFIXES)}, got "
                f"{path.name}; rename it, or pass another"
            )
        return (path,)
    for folder in (path, path / "data"):
        if (folder / MINARI_FILE).is_file():
            return (folder / MINARI_FILE,)
    for suffix in (*HDF5_SUFFIXES, *JAT_SUFFIXES):
        found = sorted(path.glob(f"*{suffix}"))
        if found:
            training = [file for file in found if file.name.startswith("train")]
            return tuple(training or found)
    raise ArgumentError(
        f"path: expected a Minari folder (with data/{MINARI_FILE}) or one with files ending in "
        f"{_one_of(HDF5_SUFFIXES + JAT_SUFFIXES)}, got {path}, where there is none; pass another"
    )


def _one_of(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"
