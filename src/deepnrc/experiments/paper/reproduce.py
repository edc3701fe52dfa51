"""From names of figures to files: plan the runs, train what is missing, draw, write the page."""

import datetime
import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.claims import judge
from deepnrc.experiments.paper.groups import Plan, Scale, plan_group
from deepnrc.experiments.paper.items import Product, find_items
from deepnrc.experiments.paper.page import reproduction_page
from deepnrc.experiments.paper.products import write_product
from deepnrc.experiments.paper.runs import GroupRuns, build_data, train_missing
from deepnrc.storage.atomic import write_whole
from deepnrc.training.runs.environment import environment
from deepnrc.training.sweeps.executors import Executor
from deepnrc.training.sweeps.sweep import MemberStatus

__all__ = ["Reproduction", "reproduce"]


@dataclass(frozen=True)
class Reproduction:
    """What was made.

    Attributes:
        products: Figures and tables by name.
        files: Written.
        failed: By name, why a run or figure did not come to its end.
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
    together: int = 1,
    published: bool = True,
    command: str,
    options: str = "",
    say: Callable[[str], None] = lambda line: None,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
) -> Reproduction:
    """Make figures and tables of the papers again; runs that are there already are taken as found.

    Args:
        names: Of figures and tables, or ``"all"``.
        scale: How large the runs are.
        out: Folder of the runs.
        page: The Markdown file; its figures go to a folder of the same name without the ending.
        executor: Where runs are trained, made for the folder of the runs.
        seeds: Of each setting; None is each group's own number.
        paths: Real files by data set.
        together: Most runs that one worker trains at once.
        published: Whether the published curves are drawn over ours.
        command: To name in the page.
        options: Those of it that make one figure again.
        say: Told of progress.
        on_status: Called with the status of every run.

    Returns:
        What was made; one failing run or figure does not stop the others.

    Raises:
        ArgumentError: An unknown name, or fewer than one seed.
        DeepNRCError: Data are missing that cannot be built, or another process runs on ``out``.
        FileError: A folder cannot be written to.
    """
    items = find_items(names)
    wanted = dict.fromkeys(group for item in items.values() for group in item.GROUPS)
    plans = [plan_group(name, scale, seeds=seeds, paths=paths) for name in wanted]
    _check_paths(paths or {}, plans)
    build_data(plans, say)
    say(f"{sum(len(plan.members) for plan in plans)} runs for {', '.join(items)}, in '{out}'")
    with executor(out) as where:
        groups = train_missing(plans, out, where, together=together, on_status=on_status)
    failed = {name: why for runs in groups.values() for name, why in runs.failed.items()}
    folder = page.with_suffix("")
    products: dict[str, Product] = {}
    files: list[Path] = []
    for name, item in items.items():
        try:
            product = item.make({group: groups[group] for group in item.GROUPS})
            written = write_product(product, folder, published=published)
        except FileError:
            raise
        except Exception as error:  # whatever it is, the other figures are made
            failed[name] = _why(error, groups, item.GROUPS)
            say(f"{name}: cannot be made: {failed[name]}")
            continue
        products[name] = product
        files.extend(written)
        say(f"{name}: {', '.join(path.name for path in written)} in '{folder}'")
    text = reproduction_page(
        products,
        judge(groups),
        command=command,
        machine=_machine(),
        date=datetime.date.today().isoformat(),
        figures=folder.name,
        thresholds=_thresholds(groups),
        options=options,
        failed=failed,
    )
    write_whole(page, text.encode())
    files.append(page)
    return Reproduction(products, tuple(files), failed)


def _check_paths(paths: Mapping[str, str], plans: Sequence[Plan]) -> None:
    """Real files that no run would read are a slip."""
    known = dict.fromkeys(
        config.data.name
        for plan in plans
        for config in (find_experiment(plan.group.experiment), plan.members[0].config)
    )
    for name, path in paths.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ArgumentError(
                f"--data {name}={path}: no run of these figures reads '{name}'; {hint}They read "
                f"{', '.join(known)}"
            )
        if not Path(path).expanduser().exists():
            raise ArgumentError(f"--data {name}={path}: there is no such file or folder")


def _machine() -> str:
    here = environment(torch.device("cpu"))
    return f"{here['cores']} cores, {here['processor']}, torch {torch.__version__}"


def _thresholds(groups: Mapping[str, GroupRuns]) -> str:
    runs = [run for group in groups.values() for run in group]
    return runs[0].diagnosis.thresholds.describe() if runs else "open, as no run came to its end"


def _why(error: Exception, groups: Mapping[str, GroupRuns], needed: Sequence[str]) -> str:
    """Where a setting lost all of its runs, their reasons are the figure's."""
    lost = [f"{n}: {why}" for g in needed for n, why in groups[g].failed.items()]
    if lost:
        return f"runs that it needs failed ({'; '.join(lost[:3])})"
    return str(error) if isinstance(error, DeepNRCError) else f"{type(error).__name__}: {error}"
