"""``deepnrc data``: list, describe, build and fetch data sets."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.data.registry import dataset_names, find_source
from deepnrc.errors import ArgumentError

__all__ = ["app"]

app = typer.Typer(help="List, describe, build and fetch data sets.", no_args_is_help=True)


def _known(name: str) -> str:
    """A wrong name is wrong usage, and the message names the nearest."""
    try:
        find_source(name)
    except ArgumentError as error:
        raise typer.BadParameter(str(error)) from error
    return name


def _well_formed(options: list[str] | None) -> list[str]:
    for text in options or []:
        if not text.partition("=")[0] or "=" not in text:
            raise typer.BadParameter(f"expected KEY=VALUE, got '{text}'")
    return options or []


def _parsed(options: list[str] | None) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for text in options or []:
        key, _, value = text.partition("=")
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


Name = Annotated[str, typer.Argument(callback=_known, help="Which; `deepnrc data list` has all.")]
Samples = Annotated[
    int | None, typer.Option(min=1, help="Rows; the set's default, or all of the real files.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of a built or synthetic set.")]
RealPath = Annotated[Path | None, typer.Option(help="The real file or folder.")]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        callback=_well_formed,
        help="The set's own; VALUE is JSON or text.",
    ),
]


@app.callback()
def _group() -> None:
    """List, describe, build and fetch data sets."""


@app.command("list")
@command
def list_sets() -> None:
    """Every data set, and which are on this machine."""
    from deepnrc.data.access.cache import data_folder  # noqa: PLC0415
    from deepnrc.report.data_text import format_table  # noqa: PLC0415

    rows = []
    for name in dataset_names():
        source = find_source(name)
        t = str(len(source.targets)) if source.targets else "any"
        rows.append((name, t, _here(name), f" {source.summary.split('.')[0]}"))
    width = max(len(row[2]) for row in rows)
    # The two columns of words to the left, where they are read.
    shown = [(name, t, here.ljust(width), what) for name, t, here, what in rows]
    longest = max(len(row[3]) for row in shown)
    print(
        format_table(
            ("name", "t", "here".ljust(width), " what it is".ljust(longest)),
            [(*row[:3], row[3].ljust(longest)) for row in shown],
        )
    )
    print(f"\nFolder: {data_folder()}")


@app.command()
@command
def info(
    name: Name,
    path: RealPath = None,
    samples: Samples = None,
    seed: Seed = 0,
    option: Options = None,
) -> None:
    """What a data set is, how to get it, and the numbers of the one that is here."""
    from deepnrc.data.access.store import built_sets, find_built  # noqa: PLC0415
    from deepnrc.data.facts import data_facts  # noqa: PLC0415
    from deepnrc.data.loading import load_raw  # noqa: PLC0415
    from deepnrc.report.data_text import facts_text, source_text  # noqa: PLC0415

    source = find_source(name)
    print(source_text(source))
    here = _here(name)
    print(f"  here        {here}")
    if path is None and samples is None and source.make is None and "fetched" not in here:
        there = built_sets(name)
        if not there:
            return
        default = find_built(name, source.default_samples, seed)
        chosen = default or there[-1]
        samples, seed = chosen.samples, chosen.seed
    raw = load_raw(name, path, samples=samples, seed=seed, **_parsed(option))
    print(f"\n{facts_text(data_facts(raw))}")


@app.command()
@command
def build(
    name: Name,
    samples: Samples = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Most time to train an expert.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where it is there already.")] = False,
) -> None:
    """Make a set from something real on this machine; does nothing where it is there already."""
    from deepnrc.data.access.store import build as build_set  # noqa: PLC0415
    from deepnrc.data.facts import data_facts  # noqa: PLC0415
    from deepnrc.data.loading import load_raw  # noqa: PLC0415
    from deepnrc.report.data_text import facts_text  # noqa: PLC0415

    path = build_set(name, samples=samples, seed=seed, seconds=seconds, again=again, say=_say)
    count = find_source(name).default_samples if samples is None else samples
    print(f"{facts_text(data_facts(load_raw(name, samples=count, seed=seed)))}\n\nWritten: {path}")


@app.command()
@command
def fetch(
    name: Name,
    path: Annotated[Path | None, typer.Option(help="Folder; the cache's by default.")] = None,
) -> None:
    """Get the real files over https, and check or keep their SHA-256."""
    from deepnrc.data.access.download import fetch as fetch_set  # noqa: PLC0415

    for file in fetch_set(name, path, say=_say):
        print(f"Written: {file}")


@app.command()
@command
def page(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder of the pages.")],
    path: RealPath = None,
    samples: Samples = None,
    seed: Seed = 0,
    option: Options = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Only what is known without the files: no picture.")
    ] = False,
) -> None:
    """Write the set's page of the docs, with its picture."""
    from deepnrc.experiments.dataset_pages import write_bare_page, write_page  # noqa: PLC0415

    if bare:
        print(f"Written: {', '.join(map(str, write_bare_page(name, out)))}")
        return
    files = write_page(name, out, path, samples=samples, seed=seed, **_parsed(option))
    print(f"Written: {', '.join(map(str, files))}")


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
        f"{built.samples:,} rows" + (f" (seed {built.seed})" if built.seed else "")
        for built in built_sets(name)
    ]
    return ", ".join(parts) if parts else "–"


def _say(line: str) -> None:
    typer.echo(line, err=True)
