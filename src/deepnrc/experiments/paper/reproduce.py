"""From names of figures to files: plan the runs, train what is missing, draw, write the page."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from deepnrc.errors import DeepNRCError
from deepnrc.experiments.paper.claims import judge
from deepnrc.experiments.paper.groups import Scale, plan_group
from deepnrc.experiments.paper.items import Product, find_items
from deepnrc.experiments.paper.page import reproduction_page
from deepnrc.experiments.paper.products import write_product
from deepnrc.experiments.paper.runs import GroupRuns, build_data, train_missing
from deepnrc.training.environment import environment
from deepnrc.training.executors import Executor
from deepnrc.training.files import write_whole
from deepnrc.training.sweep import MemberStatus

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
        except (DeepNRCError, StopIteration, IndexError, ValueError) as error:
            failed[name] = _why(error, groups, item.GROUPS)
            say(f"{name}: cannot be made: {failed[name]}")
            continue
        products[name] = product
        written = write_product(product, folder, published=published)
        files.extend(written)
        say(f"{name}: {', '.join(path.name for path in written)} in '{folder}'")
    files.append(_write_page(page, products, groups, command, folder.name))
    return Reproduction(products, tuple(files), failed)


def _write_page(
    page: Path,
    products: Mapping[str, Product],
    groups: Mapping[str, GroupRuns],
    command: str,
    figures: str,
) -> Path:
    here = environment(torch.device("cpu"))
    machine = f"{here['cores']} cores, {here['processor']}, torch {torch.__version__}"
    text = reproduction_page(
        products,
        judge(groups),
        command=command,
        machine=machine,
        date=datetime.date.today().isoformat(),
        figures=figures,
    )
    write_whole(page, text.encode())
    return page


def _why(error: Exception, groups: Mapping[str, GroupRuns], needed: Sequence[str]) -> str:
    """Where a setting lost all of its runs, their reasons are the figure's."""
    lost = [f"{n}: {why}" for g in needed for n, why in groups[g].failed.items()]
    if isinstance(error, DeepNRCError) or not lost:
        return str(error) or type(error).__name__
    return f"runs that it needs failed ({'; '.join(lost[:3])})"
