"""``deepnrc sweep``: many runs of one experiment, here or on a cluster, and one tidy table."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepnrc.cli.failures import command

if TYPE_CHECKING:
    from rich.table import Table

    from deepnrc.training.sweeps.executors import Executor
    from deepnrc.training.sweeps.sweep import MemberStatus

__all__ = [
    "Address",
    "ExecutorName",
    "ExecutorOptions",
    "LiveTable",
    "Where",
    "Workers",
    "make_executor",
    "sweep",
]


class Where(StrEnum):
    """What runs the members."""

    local = "local"
    slurm = "slurm"
    ray = "ray"


ExecutorName = Annotated[
    Where, typer.Option(help="Processes here, jobs of SLURM, or tasks of Ray.")
]
Workers = Annotated[
    int | None, typer.Option(help="Runs at a time; one a core, or the cluster's choice.")
]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster that runs already, or 'auto'.")]
ExecutorOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="Of submitit, such as slurm_partition=gpu, or of ray.remote, such as num_gpus=1.",
    ),
]


@command
def sweep(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A named experiment, such as hopper or synthetic, or a file that ends in .toml.",
        ),
    ],
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="KEY=VALUE,…",
            help="Such as training.weight_decay=0,1e-4,1e-3; repeated, every combination.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each combination.")] = 1,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="The same for every run; repeatable."),
    ] = None,
    executor: ExecutorName = Where.local,
    out: Annotated[
        Path | None, typer.Option(help="Folder of all runs; sweeps/NAME if none.")
    ] = None,
    workers: Workers = None,
    together: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Train up to N runs at once in one process, as one stack of small networks, where "
            "they differ only in seed, learning rate and weight decay.",
        ),
    ] = 1,
    address: Address = None,
    options: ExecutorOptions = None,
    table: Annotated[
        Path | None,
        typer.Option(help="The table, .csv or .parquet; results.csv in the folder if none."),
    ] = None,
) -> None:
    """Train an experiment under every combination of settings and seeds.

    Each combination is an ordinary run in a folder of its own. The same command again does only
    what is missing. A run that fails does not stop the others: the exit code is then 1.

    With --together they end in the same numbers up to rounding, sooner where networks are small.
    """
    from deepnrc.experiments.named import find_experiment  # noqa: PLC0415  - torch takes a second
    from deepnrc.training.sweeps.sweep import (  # noqa: PLC0415
        check_table,
        expand,
        run_sweep,
        tidy_frame,
        write_table,
    )
    from deepnrc.training.sweeps.together import groups  # noqa: PLC0415

    common = tuple(values or ())
    name = find_experiment(experiment, common).name
    members = expand(
        lambda swept: find_experiment(experiment, (*common, *swept)), over or (), seeds=seeds
    )
    jobs = len(groups([member.config for member in members], together))
    folder = out or Path("sweeps") / name
    path = table or folder / "results.csv"
    check_table(path)
    where = make_executor(executor, folder, workers, address, options or ())
    count = f"{jobs} jobs" if jobs > 1 else "1 job"
    at_once = f", trained in {count}" if jobs < len(members) else ""
    print(f"{len(members)} runs of {name} in '{folder}'{at_once}", flush=True)
    with where, LiveTable() as shown:
        statuses = run_sweep(members, folder, where, together=together, on_status=shown.show)
    frame = tidy_frame(members, folder)
    write_table(frame, path)
    print(f"Written: {path}, {len(frame):,} rows")
    failed = [status for status in statuses if status.state == "failed"]
    if failed:
        typer.echo(f"error: {len(failed)} of {len(members)} runs failed:", err=True)
        for status in failed:
            error = status.error.replace("\n", "\n    ")
            typer.echo(f"  {status.member.name}: {error}", err=True)
        raise typer.Exit(1)


def make_executor(
    where: Where, folder: Path, workers: int | None, address: str | None, options: Sequence[str]
) -> "Executor":
    """The executor that the options ask for, with its own files in the folder of the runs.

    Raises:
        ArgumentError: Options that do not go together.
    """
    from deepnrc.errors import ArgumentError  # noqa: PLC0415
    from deepnrc.training.sweeps import executors  # noqa: PLC0415

    if address is not None and where != Where.ray:
        raise ArgumentError(f"--address goes with --executor ray, not with {where}: leave it out")
    if options and where == Where.local:
        raise ArgumentError("--option goes with --executor slurm or ray: leave it out")
    if where == Where.slurm:
        return executors.SlurmExecutor(
            folder / "submitit", workers=workers, options=_options(options)
        )
    if where == Where.ray:
        return executors.RayExecutor(address=address, workers=workers, options=_options(options))
    return executors.LocalExecutor(folder / "output", workers=workers)


def _options(assignments: Sequence[str]) -> dict[str, Any]:
    from deepnrc.errors import ArgumentError  # noqa: PLC0415

    options: dict[str, Any] = {}
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        if not key or not text:
            raise ArgumentError(
                f"--option {assignment}: expected KEY=VALUE, such as slurm_partition=gpu"
            )
        options[key] = _number(text)
    return options


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class LiveTable:
    """One live table of all runs on a terminal; in a pipe a line for each that ends."""

    def __init__(self) -> None:
        self._live: Any = None
        self._ended: set[str] = set()

    def __enter__(self) -> "LiveTable":
        if sys.stdout.isatty():
            from rich.live import Live  # noqa: PLC0415

            self._live = Live(refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, statuses: "Sequence[MemberStatus]") -> None:
        """The status of every run."""
        if self._live is not None:
            self._live.update(_table(statuses, self._live.console.height - 8))
            return
        for status in statuses:
            name = status.member.name
            if status.state in ("waiting", "running") or name in self._ended:
                continue
            self._ended.add(name)
            loss = "" if status.loss is None else f", loss {status.loss:.3e}"
            print(
                f"{len(self._ended):>4}/{len(statuses)}  {name}: {status.state} after "
                f"{status.epoch} epochs{loss}",
                flush=True,
            )


def _table(statuses: "Sequence[MemberStatus]", rows: int) -> "Table":
    """All runs, or where they do not fit those that are under way, failed or next."""
    from rich.table import Table  # noqa: PLC0415

    styles = {"running": "cyan", "failed": "red", "done": "green", "done before": "green"}
    counts = [
        f"{sum(s.state == state for s in statuses)} {state}"
        for state in ("running", "waiting", "done", "done before", "failed")
        if any(s.state == state for s in statuses)
    ]
    shown = list(statuses)
    if len(shown) > max(rows, 1):
        order = ["running", "failed", "waiting", "done", "done before"]
        shown = sorted(shown, key=lambda status: order.index(status.state))[: max(rows, 1)]
    table = Table(title=", ".join(counts), title_justify="left", title_style="bold")
    table.add_column("run", overflow="fold")
    for column in ("epoch", "loss", "state"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
    for status in shown:
        table.add_row(
            status.member.name.replace("[", r"\["),
            f"{status.epoch}/{status.member.config.training.epochs}",
            "" if status.loss is None else f"{status.loss:.3e}",
            f"[{styles.get(status.state, 'default')}]{status.state}",
        )
    return table
