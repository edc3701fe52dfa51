"""From names of figures to files: plan the runs, train what is missing, draw, write the page."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.catalog import all_claims, find_figures
from deepnrc.experiments.paper.claim import judge
from deepnrc.experiments.paper.figure import Figure, Product
from deepnrc.experiments.paper.group import Scale
from deepnrc.experiments.paper.include import included
from deepnrc.experiments.paper.page import reproduction_page
from deepnrc.experiments.paper.plan import Plan, plan_group
from deepnrc.experiments.paper.products import write_product
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.experiments.paper.train import build_data, train_missing
from deepnrc.storage.atomic import write_atomically
from deepnrc.support.suggestions import did_you_mean
from deepnrc.support.text import counted
from deepnrc.training.runs.environment import environment
from deepnrc.training.sweeps.executors.job import Executor
from deepnrc.training.sweeps.sweep import MemberStatus

__all__ = ["Reproduction", "reproduce"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reproduction:
    """What was made.

    Attributes:
        products: Figures and tables by name.
        files: The files written.
        failed: By name of a run or figure, why it failed.
    """

    products: Mapping[str, Product]
    files: tuple[Path, ...]
    failed: Mapping[str, str]


def reproduce(
    names: Sequence[str],
    *,
    scale: Scale,
    out: Path,
    page: Path,
    executor: Callable[[Path], AbstractContextManager[Executor]],
    seeds: int | None = None,
    paths: Mapping[str, str] | None = None,
    include: Path | None = None,
    together: int = 1,
    published: bool = True,
    command: str,
    options: str = "",
    say: Say = lambda line: None,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
) -> Reproduction:
    """Reproduce figures and tables of the papers; finished runs are used as they are.

    Args:
        names: Names of figures and tables, or ``"all"``.
        scale: The size of the runs.
        out: The folder of the runs.
        page: The Markdown file; its figures go to a folder of the same name without the ending.
        executor: Where runs are trained, made for the folder of the runs.
        seeds: The number of seeds of each setting; None is each group's own.
        paths: Real files by data set.
        include: A folder of one's own figures, claims and groups, see `included`.
        together: The number of runs that one worker trains at once, at most.
        published: Whether the published curves are drawn over ours.
        command: The command to name in the page.
        options: Those of its options that reproduce a single figure.
        say: Called with a line of progress.
        on_status: Called with the status of every run.

    Returns:
        What was made; a run or figure that fails does not stop the others.

    Raises:
        ArgumentError: A name is unknown, ``seeds`` is below 1, or ``paths`` or ``include`` hold
            something that cannot be used.
        DeepNRCError: Data are missing that cannot be built, or another process uses ``out``.
        FileError: A folder cannot be written to.
    """
    with included(include):
        figures, claims = find_figures(names), all_claims()
        wanted = dict.fromkeys(group for figure in figures.values() for group in figure.groups)
        plans = [plan_group(name, scale, seeds=seeds, paths=paths) for name in wanted]
        _check_paths(paths or {}, plans)
        build_data(plans, say)
        runs = counted(sum(len(plan.members) for plan in plans), "run")
        say(f"{runs} for {', '.join(figures)}, in '{out}'")
        with executor(out) as where:
            groups = train_missing(plans, out, where, together=together, on_status=on_status)
        made = _make(figures, groups, page.with_suffix(""), published=published, say=say)
        text = reproduction_page(
            made.products,
            judge(claims, groups),
            command=command,
            options=options,
            machine=_machine(),
            date=datetime.date.today().isoformat(),
            thresholds=_thresholds(groups),
            figures=page.with_suffix("").name,
            failed=made.failed,
        )
    write_atomically(page, text.encode())
    return Reproduction(made.products, (*made.files, page), made.failed)


def _make(
    figures: Mapping[str, Figure],
    groups: Mapping[str, GroupRuns],
    folder: Path,
    *,
    published: bool,
    say: Say,
) -> Reproduction:
    """Make and write each figure; one that fails does not stop the others."""
    failed = {name: why for runs in groups.values() for name, why in runs.failed.items()}
    products: dict[str, Product] = {}
    files: list[Path] = []
    for name, figure in figures.items():
        try:
            product = figure.make(groups)
            written = write_product(product, folder, published=published)
        except FileError:
            raise
        except Exception as error:  # so that the other figures are still made
            failed[name] = _why(error, groups, figure.groups)
            say(f"{name} failed: {failed[name]}")
            continue
        products[name] = product
        files.extend(written)
        say(f"{name}: {', '.join(path.name for path in written)} in '{folder}'")
    return Reproduction(products, tuple(files), failed)


def _check_paths(paths: Mapping[str, str], plans: Sequence[Plan]) -> None:
    """Refuse real files that no run would read."""
    known = dict.fromkeys(
        config.data.name
        for plan in plans
        for config in (find_experiment(plan.group.experiment), plan.members[0].config)
    )
    for name, path in paths.items():
        if name not in known:
            raise ArgumentError(
                f"--data {name}={path}: no run of these figures reads '{name}': "
                f"{did_you_mean(name, known)}They read {', '.join(known)}"
            )
        if not Path(path).expanduser().exists():
            raise ArgumentError(f"--data {name}={path}: there is no such file or folder")


def _machine() -> str:
    here = environment(torch.device("cpu"))
    return f"{here['cores']} cores, {here['processor']}, torch {torch.__version__}"


def _thresholds(groups: Mapping[str, GroupRuns]) -> str:
    runs = [run for group in groups.values() for run in group]
    return runs[0].diagnosis.thresholds.describe() if runs else "unknown, since no run finished"


def _why(error: Exception, groups: Mapping[str, GroupRuns], needed: Sequence[str]) -> str:
    """Why a figure failed: the reasons of the failed runs that it needs, or its own."""
    lost = [f"{name}: {why}" for group in needed for name, why in groups[group].failed.items()]
    if lost:
        return f"it needs runs that failed ({'; '.join(lost[:3])})"
    return str(error) if isinstance(error, DeepNRCError) else f"{type(error).__name__}: {error}"
