"""``deepnrc reproduce``: the papers' figures and tables, from scratch."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.executors import (
    ExecutorChoice,
    ExecutorKind,
    ExecutorOptions,
    RayAddress,
    Workers,
    make_executor,
)
from deepnrc.cli.failures import command, exit_with_failures
from deepnrc.cli.live_table import LiveTable
from deepnrc.errors import ArgumentError
from deepnrc.support.text import counted

__all__ = ["reproduce"]

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="FIGURE…", help="fig1 … fig9, table1, table2, prop1 and others, or all."
    ),
]
ScaleName = Annotated[
    str,
    typer.Option(
        help="smoke: minutes, to see it work; cpu: hours on two cores; full: the papers' sizes."
    ),
]
Seeds = Annotated[
    int | None, typer.Option(help="Seeds of each setting; by default mostly 5.", show_default=False)
]
Together = Annotated[
    int, typer.Option(metavar="N", help="Train up to N small networks at once in each worker.")
]
RealFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="NAME=PATH", help="Real files, such as sgemm=product.csv; repeatable."
    ),
]
Include = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Your own figures and claims (.py files with FIGURE or CLAIM) and groups of runs "
        "(.toml files).",
    ),
]
Published = Annotated[
    bool, typer.Option(help="Draw the published curves, where there are any, over ours.")
]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the runs; by default reproduction/SCALE/runs.")
]
Page = Annotated[
    Path | None,
    typer.Option(
        help="The page; its figures go to a folder beside it. By default "
        "reproduction/SCALE/FIGURE….md."
    ),
]


@command
def reproduce(
    names: Names,
    scale: ScaleName = "smoke",
    seeds: Seeds = None,
    executor: ExecutorChoice = ExecutorKind.local,
    workers: Workers = None,
    together: Together = 1,
    address: RayAddress = None,
    options: ExecutorOptions = None,
    data: RealFiles = None,
    include: Include = None,
    published: Published = True,
    out: Out = None,
    page: Page = None,
) -> None:
    """Train what is missing, and make the papers' figures and tables from it.

    If it is interrupted, the same command resumes where it stopped. Each figure is written as PDF,
    SVG and PNG, with its values as CSV and what it shows as text; the page has them all, with a
    verdict on each of the papers' claims that the runs can judge.
    """
    from deepnrc.experiments.paper.group import check_scale  # noqa: PLC0415  - torch takes a second
    from deepnrc.experiments.paper.reproduce import reproduce as make  # noqa: PLC0415

    size = check_scale(scale)
    folder = Path("reproduction") / size
    again = f"--scale {size}" + (f" --seeds {seeds}" if seeds else "")
    again += "".join(f" --data {shlex.quote(assignment)}" for assignment in data or ())
    again += f" --include {shlex.quote(str(include))}" if include else ""
    with LiveTable() as shown:
        made = make(
            names,
            scale=size,
            out=out or folder / "runs",
            page=_page(page, folder, names),
            executor=lambda runs: make_executor(executor, runs, workers, address, options or ()),
            seeds=seeds,
            paths=_real_files(data or ()),
            include=include,
            together=together,
            published=published,
            command=f"deepnrc reproduce {' '.join(names)} {again}"
            + (f" --page {page}" if page else ""),
            options=again,
            say=lambda line: print(line, flush=True),
            on_status=shown.show,
        )
    count = counted(len(made.products), "figure or table", "figures and tables")
    print(f"Written: {made.files[-1]}, with {count}")
    lost = counted(len(made.failed), "run or figure", "runs or figures")
    exit_with_failures(made.failed, f"{lost} failed")


def _page(page: Path | None, folder: Path, names: Sequence[str]) -> Path:
    """The page, by default one for each choice of figures, so that none replaces another."""
    chosen = page or folder / f"{'-'.join(names) if len(names) < 4 else 'several'}.md"
    if chosen.suffix != ".md":
        raise ArgumentError(f"--page must end in .md; got '{chosen}'")
    return chosen


def _real_files(assignments: Sequence[str]) -> dict[str, str]:
    paths = {}
    for assignment in assignments:
        name, _, path = assignment.partition("=")
        if not name or not path:
            raise ArgumentError(f"--data {assignment}: expected NAME=PATH, such as sgemm=FILE.csv")
        paths[name] = path
    return paths
