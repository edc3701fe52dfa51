"""``deepnrc sweep``: many runs of one experiment, here or on a cluster, and one tidy table."""

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
from deepnrc.cli.options import ExperimentName, Settings

__all__ = ["sweep"]

Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="KEY=VALUE,…",
        help="Such as training.weight_decay=0,1e-4,1e-3; repeatable, for every combination.",
    ),
]
Seeds = Annotated[int, typer.Option(help="Runs per combination.")]
Out = Annotated[Path | None, typer.Option(help="Folder of all runs; default: sweeps/NAME.")]
Together = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Train up to N runs at once in one process, as one stack of small networks, where "
        "they differ only in seed, learning rate and weight decay.",
    ),
]
TableFile = Annotated[
    Path | None,
    typer.Option(help="The table, .csv or .parquet; default: results.csv in the folder."),
]


@command
def sweep(
    experiment: ExperimentName,
    over: Over = None,
    seeds: Seeds = 1,
    values: Settings = None,
    executor: ExecutorChoice = ExecutorKind.local,
    out: Out = None,
    workers: Workers = None,
    together: Together = 1,
    address: RayAddress = None,
    options: ExecutorOptions = None,
    table: TableFile = None,
) -> None:
    """Train an experiment under every combination of settings and seeds.

    Each combination is an ordinary run in a folder of its own; --set applies to all of them. The
    same command again trains only what is missing. A run that fails does not stop the others; the
    exit code is then 1.

    With --together the numbers are the same up to rounding, sooner where networks are small.
    """
    from deepnrc.experiments.named import find_experiment  # noqa: PLC0415  - torch takes a second
    from deepnrc.training.runs.folder import named_folder  # noqa: PLC0415
    from deepnrc.training.sweeps.expand import expand  # noqa: PLC0415
    from deepnrc.training.sweeps.grouping import ensemble_groups  # noqa: PLC0415
    from deepnrc.training.sweeps.sweep import run_sweep  # noqa: PLC0415
    from deepnrc.training.sweeps.table import (  # noqa: PLC0415
        check_table,
        tidy_frame,
        write_table,
    )

    common = tuple(values or ())
    name = find_experiment(experiment, common).name
    members = expand(
        lambda swept: find_experiment(experiment, (*common, *swept)), over or (), seeds=seeds
    )
    jobs = len(ensemble_groups([member.config for member in members], together))
    folder = out or named_folder("sweeps", name)
    path = table or folder / "results.csv"
    check_table(path)
    where = make_executor(executor, folder, workers, address, options or ())
    count = f"{jobs} jobs" if jobs > 1 else "1 job"
    at_once = f", trained in {count}" if jobs < len(members) else ""
    print(f"{len(members)} runs of {name} in '{folder}'{at_once}", flush=True)
    print("If it is interrupted, the same command resumes it.", flush=True)
    with where, LiveTable() as shown:
        statuses = run_sweep(members, folder, where, together=together, on_status=shown.show)
    frame = tidy_frame(members, folder)
    write_table(frame, path)
    print(f"Written: {path}, {len(frame):,} rows")
    failed = {status.member.name: status.error for status in statuses if status.state == "failed"}
    exit_with_failures(failed, f"{len(failed)} of {len(members)} runs failed")
