"""``deepnrc reproduce``: the papers' figures and tables, made again from scratch."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.sweep import (
    Address,
    ExecutorName,
    ExecutorOptions,
    LiveTable,
    Where,
    Workers,
    make_executor,
)

__all__ = ["reproduce"]


@command
def reproduce(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FIGURE…", help="fig1 … fig9, table1, table2, prop1 and others, or all."
        ),
    ],
    scale: Annotated[
        str,
        typer.Option(
            help="smoke: minutes, to see it work; cpu: hours on two cores; full: the papers' sizes."
        ),
    ] = "smoke",
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each setting; 5 of most unless told otherwise.")
    ] = None,
    executor: ExecutorName = Where.local,
    workers: Workers = None,
    together: Annotated[
        int, typer.Option(metavar="N", help="Train up to N small networks at once in each worker.")
    ] = 1,
    address: Address = None,
    options: ExecutorOptions = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="NAME=PATH", help="Real files, such as sgemm=product.csv; repeatable."
        ),
    ] = None,
    published: Annotated[
        bool, typer.Option(help="Draw the published curves over ours, where there are some.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; reproduction/SCALE/runs if none.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="The page, its figures beside it; reproduction/SCALE/FIGURE….md if none."
        ),
    ] = None,
) -> None:
    """Train what is missing, and make the papers' figures and tables from it.

    Stopped at any moment, the same command goes on where it was. Each figure is written as PDF,
    SVG and PNG, with its values as CSV and what it shows as text; the page has them all, with a
    verdict on each of the paper's claims that the runs can judge.
    """
    from deepnrc.errors import ArgumentError  # noqa: PLC0415  - torch takes a second
    from deepnrc.experiments.paper.groups import check_scale  # noqa: PLC0415
    from deepnrc.experiments.paper.reproduce import reproduce as make  # noqa: PLC0415

    size = check_scale(scale)
    folder = Path("reproduction") / size
    runs = out or folder / "runs"
    # A page of its own for each choice of figures, so that none takes the place of another.
    target = page or folder / f"{'-'.join(names) if len(names) < 4 else 'several'}.md"
    if target.suffix != ".md":
        raise ArgumentError(f"page: '{target}' must end in .md")
    paths = {}
    for assignment in data or ():
        name, _, path = assignment.partition("=")
        if not name or not path:
            raise ArgumentError(f"--data {assignment}: expected NAME=PATH, such as sgemm=FILE.csv")
        paths[name] = path
    again = f"--scale {size}"
    again += f" --seeds {seeds}" if seeds else ""
    again += "".join(f" --data {shlex.quote(assignment)}" for assignment in data or ())
    with LiveTable() as shown:
        made = make(
            names,
            scale=size,
            out=runs,
            page=target,
            executor=lambda folder: make_executor(
                executor, folder, workers, address, options or ()
            ),
            seeds=seeds,
            paths=paths,
            together=together,
            published=published,
            command=f"deepnrc reproduce {' '.join(names)} {again}"
            + (f" --page {page}" if page else ""),
            options=again,
            say=lambda line: print(line, flush=True),
            on_status=shown.show,
        )
    print(f"Written: {target}, with {len(made.products)} figures and tables")
    if made.failed:
        typer.echo(f"error: {len(made.failed)} runs or figures failed:", err=True)
        for name, why in made.failed.items():
            reason = why.replace("\n", "\n    ")
            typer.echo(f"  {name}: {reason}", err=True)
        raise typer.Exit(1)
