"""Building the data and training the runs that groups lack."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deepnrc.data.access.download import check_fetched
from deepnrc.data.access.store import build, find_built
from deepnrc.data.registry import find_source
from deepnrc.experiments.paper.plan import Plan
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.sweeps.executors.job import Executor
from deepnrc.training.sweeps.sweep import MemberStatus, run_sweep

__all__ = ["build_data", "finished_runs", "train_missing"]


def build_data(plans: Sequence[Plan], say: Callable[[str], None]) -> None:
    """Build the data sets that the runs need and that are not there.

    Raises:
        DeepNRCError: A data set cannot be built; the message says what it needs.
    """
    seen = set()
    for plan in plans:
        for member in plan.members:
            data = member.config.data
            source = find_source(data.name)
            samples = source.default_samples if data.samples is None else data.samples
            key = (data.name, samples, data.seed)
            if source.build is None or data.path is not None or key in seen:
                continue
            seen.add(key)
            if data.samples is None and check_fetched(source) is not None:
                continue
            weak = bool(data.options.get("weak"))
            if find_built(*key) is None and not (weak and find_built(*key, weak=True)):
                say(f"building '{data.name}' with {samples:,} samples and seed {data.seed}")
                build(
                    data.name,
                    samples=samples,
                    seed=data.seed,
                    seconds=plan.build_seconds,
                    weak=weak,
                    say=say,
                )


def train_missing(
    plans: Sequence[Plan],
    out: Path,
    executor: Executor,
    *,
    together: int = 1,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
) -> dict[str, GroupRuns]:
    """Train the runs that are not finished yet, each in its own folder ``out/NAME``.

    Args:
        plans: One per group.
        out: The folder of all runs.
        executor: Where the runs are trained.
        together: The number of runs that one worker trains at once, at most; see `run_sweep`.
        on_status: Called repeatedly with the status of every run.

    Returns:
        The runs by group, with the reasons of those that failed.
    """
    members = [member for plan in plans for member in plan.members]
    statuses = run_sweep(members, out, executor, together=together, on_status=on_status)
    failed = {s.member.name: s.error for s in statuses if s.state == "failed"}
    return finished_runs(plans, out, failed)


def finished_runs(
    plans: Sequence[Plan], out: Path, failed: Mapping[str, str] | None = None
) -> dict[str, GroupRuns]:
    """The finished runs by group."""
    found = {}
    for plan in plans:
        names = {member.name for member in plan.members}
        folders = ((member, RunFolder(out / member.name)) for member in plan.members)
        runs = tuple(
            FinishedRun(member, folder)
            for member, folder in folders
            if folder.is_finished(member.config)
        )
        why = {name: error for name, error in (failed or {}).items() if name in names}
        found[plan.name] = GroupRuns(plan, runs, why)
    return found
