"""``deepnrc data``: list, describe, build and fetch data sets."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.data.registry import dataset_names, find_source
from deepnrc.errors import ArgumentError

__all__ = ["app"]

app = typer.Typer(help="List, describe, build and fetch data sets.", no_args_is_help=True)


def _known(name: str) -> str:
    """A wrong name is wrong usage; the message names the nearest."""
    try:
        find_source(name)
    except ArgumentError as error:
        raise typer.BadParameter(str(error)) from error
    return name


def _well_formed(options: list[str] | None) -> list[str]:
    for text in options or []:
        if not text.partition("=")[0] or "=" not in text:
            raise typer.BadParameter(f"must be KEY=VALUE; got '{text}'")
    return options or []


def _parsed(options: list[str] | None) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for text in options or []:
        key, _, value = text.partition("=")
        try:
            parsed[key] = json.loads(value)
        except (ValueError, RecursionError):
            parsed[key] = value
    return parsed


Name = Annotated[
    str, typer.Argument(callback=_known, help="The data set; `deepnrc data list` shows all.")
]
Samples = Annotated[
    int | None,
    typer.Option(min=1, help="Number of rows; by default the set's own, or all real rows."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of a built or synthetic set.")]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        callback=_well_formed,
        help="An option of this set; VALUE is JSON or text.",
    ),
]


@app.callback()
def _group() -> None:
    """List, describe, build and fetch data sets."""


@app.command("list")
@command
def list_sets() -> None:
    """List all data sets, and which of them are on this machine."""
    from deepnrc.data.access.cache import data_folder  # noqa: PLC0415
    from deepnrc.report.data_text import format_table  # noqa: PLC0415

    rows = []
    for name in dataset_names():
        try:
            source = find_source(name)
        except ArgumentError as error:  # another package's set must not hide the others
            rows.append((name, "?", "–", f" {error}"))
            continue
        t = str(len(source.targets)) if source.targets else "any"
        rows.append((name, t, _here(name), f" {source.summary.split('.')[0]}"))
    # The two columns of words are padded, because the table aligns to the right.
    widths = [max(len(row[i]) for row in rows) for i in (2, 3)]
    print(
        format_table(
            ("name", "t", "here".ljust(widths[0]), " what it is".ljust(widths[1])),
            [(*row[:2], *(row[i + 2].ljust(widths[i]) for i in (0, 1))) for row in rows],
        )
    )
    print(f"\nFolder: {data_folder()}")


@app.command()
@command
def info(
    name: Name,
    path: Annotated[Path | None, typer.Option(help="The real file or folder.")] = None,
    samples: Samples = None,
    seed: Seed = 0,
    option: Options = None,
) -> None:
    """Describe a data set, how to get it, and the statistics of the one on this machine."""
    from deepnrc.data.access.store import built_sets, find_built  # noqa: PLC0415
    from deepnrc.data.facts import data_facts  # noqa: PLC0415
    from deepnrc.data.loading import load_raw  # noqa: PLC0415
    from deepnrc.report.data_text import facts_text, source_text  # noqa: PLC0415

    source, options = find_source(name), _parsed(option)
    print(source_text(source))
    here = _here(name)
    print(f"  here        {here}")
    if path is None and samples is None and source.make is None and "fetched" not in here:
        weak = bool(options.get("weak"))
        there = built_sets(name) or built_sets(name, weak=weak)
        if not there:
            return
        default = find_built(name, source.default_samples, seed)
        chosen = default or there[-1]
        samples, seed = chosen.samples, chosen.seed
    raw = load_raw(name, path, samples=samples, seed=seed, **options)
    print(f"\n{facts_text(data_facts(raw))}")


@app.command()
@command
def build(
    name: Name,
    samples: Samples = None,
    seed: Annotated[int, typer.Option(min=0, help="Determines every random choice.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Time limit for training an expert.")
    ] = None,
    weak: Annotated[
        bool,
        typer.Option("--weak", help="Take a weak expert too, and store its set as such."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Replace the set if it is built already.")
    ] = False,
) -> None:
    """Build a data set on this machine; does nothing if it is built already."""
    from deepnrc.data.access.store import build as build_set  # noqa: PLC0415
    from deepnrc.data.facts import data_facts  # noqa: PLC0415
    from deepnrc.data.loading import load_raw  # noqa: PLC0415
    from deepnrc.report.data_text import facts_text  # noqa: PLC0415

    path = build_set(
        name, samples=samples, seed=seed, seconds=seconds, again=again, weak=weak, say=_say
    )
    count = find_source(name).default_samples if samples is None else samples
    options: dict[str, Any] = {"weak": True} if weak else {}
    raw = load_raw(name, samples=count, seed=seed, **options)
    print(f"{facts_text(data_facts(raw))}\n\nWritten: {path}")


@app.command()
@command
def fetch(
    name: Name,
    path: Annotated[
        Path | None, typer.Option(help="Folder for the files; by default in the cache folder.")
    ] = None,
) -> None:
    """Download the real files over https, and check or record their SHA-256."""
    from deepnrc.data.access.download import fetch as fetch_set  # noqa: PLC0415

    for file in fetch_set(name, path, say=_say):
        print(f"Written: {file}")


def _here(name: str) -> str:
    """What is on this machine, in a few words; nothing is read."""
    from deepnrc.data.access.download import fetched_folder  # noqa: PLC0415
    from deepnrc.data.access.store import built_sets  # noqa: PLC0415

    source = find_source(name)
    if source.make is not None:
        return "made when loaded"
    folder = fetched_folder(name)
    fetched = source.downloads and all((folder / item.file).exists() for item in source.downloads)
    parts = ["fetched"] if fetched else []
    parts += [
        f"{built.samples:,} rows"
        + (f" (seed {built.seed})" if built.seed else "")
        + (" of a weak expert" if weak else "")
        for weak in (False, True)
        for built in built_sets(name, weak=weak)
    ]
    return ", ".join(parts) if parts else "–"


def _say(line: str) -> None:
    typer.echo(line, err=True)
