"""Running a sweep: what is not finished goes to an executor, and each member's progress is told."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepnrc.storage.atomic import make_folder, refuse_link, remove_drafts, replace_file
from deepnrc.training.config.file import config_text
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import last_entry
from deepnrc.training.sweeps.executors.job import Executor, Job
from deepnrc.training.sweeps.expand import Member
from deepnrc.training.sweeps.grouping import ensemble_groups

__all__ = ["MemberStatus", "run_sweep"]


@dataclass(frozen=True)
class MemberStatus:
    """How far a member is.

    Attributes:
        member: Which one.
        state: ``"waiting"``, ``"running"``, ``"done"``, ``"done before"`` (by an earlier
            sweep), or ``"failed"``.
        epoch: Epochs done.
        loss: Training loss of the last of them; None before the first.
        error: Why it failed; "" otherwise.
    """

    member: Member
    state: str
    epoch: int = 0
    loss: float | None = None
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the sweep has nothing left to do for the member."""
        return self.state not in ("waiting", "running")


def run_sweep(
    members: Sequence[Member],
    out: Path,
    executor: Executor,
    *,
    together: int = 1,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
    interval: float = 0.5,
) -> tuple[MemberStatus, ...]:
    """Train the members that are not finished yet, each in its folder ``out/NAME``.

    A member that fails does not stop the others. Its error is in its status, and is kept in
    ``out/failures/NAME.txt`` until a later sweep finishes it.

    Args:
        members: Of the sweep.
        out: Folder of all of them.
        executor: Where they are trained; it is left open.
        together: Maximal number of members that one worker trains at once, where they differ only
            in seed, learning rate and weight decay; see `ensemble_groups`.
        on_status: Called with the status of every member at each poll.
        interval: Seconds between two polls.

    Returns:
        The final status of each member: ``"done"``, ``"done before"`` or ``"failed"``.

    Raises:
        ArgumentError: ``together`` is below 1.
        DeepNRCError: Another sweep uses the folder.
        FileError: The folder cannot be written to.
    """
    # Of all members, finished or not: a resumed sweep trains the same ones together.
    grouped = ensemble_groups([member.config for member in members], together)
    with lock_folder(out):
        _refuse_links(out, members)
        remove_drafts(out)
        statuses = {member.name: _first_status(member, out) for member in members}
        open_groups = (
            [members[i] for i in group if not statuses[members[i].name].has_ended]
            for group in grouped
        )
        executor.start([_job(group, out) for group in open_groups if group])
        while True:
            for name, error in executor.finished().items():
                member = statuses[name].member
                _keep_failure(out / "failures" / f"{name}.txt", error)
                statuses[name] = _status(member, out, "failed" if error else "done", error)
            for name, status in statuses.items():
                if not status.has_ended:
                    statuses[name] = _status(status.member, out, status.state)
            on_status(tuple(statuses.values()))
            if all(status.has_ended for status in statuses.values()):
                return tuple(statuses.values())
            time.sleep(interval)


def _refuse_links(out: Path, members: Sequence[Member]) -> None:
    """Make folders for nothing but themselves: one that was received may hold links elsewhere."""
    for name in ("failures", "output", *(member.name for member in members)):
        if (out / name).exists() or (out / name).is_symlink():
            make_folder(out / name, within=out)
    refuse_link(out / "results.csv")
    if (out / "failures").is_dir():
        remove_drafts(out / "failures")


def _first_status(member: Member, out: Path) -> MemberStatus:
    if RunFolder(out / member.name).is_finished(member.config):
        return MemberStatus(member, "done before", member.config.training.epochs)
    return MemberStatus(member, "waiting")


def _status(member: Member, out: Path, state: str, error: str = "") -> MemberStatus:
    """The status with epoch and loss from the member's log, which a worker may be writing to."""
    entry = last_entry(RunFolder(out / member.name).log)
    if entry is None:
        return MemberStatus(member, state, error=error)
    state = "running" if state == "waiting" else state
    return MemberStatus(member, state, entry["epoch"], entry["train_loss"], error)


def _job(group: Iterable[Member], out: Path) -> Job:
    names = tuple(member.name for member in group)
    configs = tuple(config_text(member.config) for member in group)
    return Job(names, tuple(str(out / name) for name in names), configs)


def _keep_failure(path: Path, error: str) -> None:
    if error:
        make_folder(path.parent)
        replace_file(path, error.encode() + b"\n")
    else:
        path.unlink(missing_ok=True)
