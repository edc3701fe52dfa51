"""``deepnrc check``: every file of runs, sweeps, data sets and measurements read and judged."""

from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.support.text import counted, shown

__all__ = ["check"]

Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH|DATA…",
        help="The folder of a run or of a sweep, a file of a measurement or a built data set, or "
        "the name of a data set.",
        show_default=False,
    ),
]
Schema = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Print the JSON Schema of a kind of record in place of checking: measurement, run, "
        "log, session or environment.",
    ),
]


@command
def check(places: Places = None, schema: Schema = None) -> None:
    """Read everything in a folder or file, and say what is wrong and what to do.

    Nothing is written. The exit code is 1 where something is wrong.
    """
    from deepnrc.training.runs.schemas import schema_text  # noqa: PLC0415

    if schema is not None:
        print(schema_text(schema), end="")
        return
    if not places:
        raise typer.BadParameter("give the folder of a run or sweep, a file, or a data set")
    wrong = sum(_check(place) for place in places)
    if wrong:
        raise typer.Exit(1)


def _check(place: str) -> int:
    """Check one place and print what was found; returns how many things are wrong."""
    path = Path(place)
    if not path.exists():
        return _check_data_set(place)
    if (path / "config.toml").is_file() or _is_run_manifest(path):
        return _check_run(path)
    if path.is_dir() and not (path / "manifest.json").exists():
        return _check_sweep(path)
    return _told(place, _fault_of_other(path), [])


def _check_run(path: Path) -> int:
    from deepnrc.training.runs.check import check_run  # noqa: PLC0415  - torch takes a second

    wrong, notes = check_run(path)
    return _told(str(path), wrong, notes)


def _check_sweep(path: Path) -> int:
    runs = sorted(file.parent for file in path.glob("*/config.toml"))
    lost = sorted(file.parent for file in path.glob("*/manifest.json"))
    runs = sorted({*runs, *lost})
    if not runs:
        raise ArgumentError(
            f"'{shown(path)}' holds neither a run (config.toml) nor runs in its folders: give the "
            "folder of a run or sweep"
        )
    wrong = sum(_check_run(run) for run in runs)
    failures = sorted((path / "failures").glob("*.txt"))
    for file in failures:
        print(f"note: {shown(file.stem)} failed, see '{shown(file)}'; the sweep's command retries")
    bad = f"{wrong} wrong" if wrong else "nothing wrong"
    print(f"{shown(path)}: {counted(len(runs), 'run')}, {bad}")
    return wrong


def _check_data_set(name: str) -> int:
    """The built sets of a name and what was fetched of it."""
    from deepnrc.data.access.download import check_fetched  # noqa: PLC0415
    from deepnrc.data.access.store import built_sets, check_built  # noqa: PLC0415
    from deepnrc.data.registry import dataset_names, find_source  # noqa: PLC0415

    if name not in dataset_names():
        raise FileError(
            f"'{shown(name)}' is neither a file or folder nor a data set: `deepnrc data list` "
            "shows the data sets"
        )
    source, wrong = find_source(name), 0
    for built in built_sets(name):
        try:
            check_built(source, built)
        except DeepNRCError as error:
            wrong += _told(str(built.path), [str(error)], [])
        else:
            _told(str(built.path), [], [])
    try:
        files = check_fetched(source) or {}
    except DeepNRCError as error:
        return wrong + _told(name, [str(error)], [])
    for file in files:
        _told(file, [], [])
    if not built_sets(name) and not files:
        print(f"{name}: nothing of it is stored on this machine")
    return wrong


def _fault_of_other(path: Path) -> list[str]:
    """What is wrong with a built set or the file of a measurement."""
    from deepnrc.data.access.cache import load_tensors, rebuild_command  # noqa: PLC0415
    from deepnrc.results.measurement import load  # noqa: PLC0415
    from deepnrc.storage.manifest import check_manifest  # noqa: PLC0415

    try:
        if path.is_dir():
            check_manifest(path, advice="build it again with `deepnrc data build … --again`")
        elif path.suffix == ".safetensors":
            name = path.name.partition("-samples")[0]
            load_tensors(path, rebuild=rebuild_command(name, path))
        elif path.suffix == ".json":
            load(path)
        else:
            raise ArgumentError(
                f"'{shown(path)}' is not a file that deepnrc writes: give the folder of a run or "
                "sweep, a .json of a measurement or a .safetensors of a built data set"
            )
    except FileError as error:
        return [str(error)]
    return []


def _is_run_manifest(path: Path) -> bool:
    from deepnrc.training.runs.manifest import is_run_manifest  # noqa: PLC0415

    return is_run_manifest(path)


def _told(place: str, wrong: list[str], notes: list[str]) -> int:
    for line in wrong:
        print(f"wrong: {shown(line)}")
    for line in notes:
        print(f"note: {shown(line)}")
    if not wrong:
        print(f"{shown(place)}: nothing wrong")
    return len(wrong)
