"""What an executor takes, and what it must offer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Executor", "Job", "outcomes_by_name"]

Outcome = list[str] | str
"""What went wrong with each member of a job, "" for nothing; or one text for all of them."""


@dataclass(frozen=True)
class Job:
    """Members of a sweep that one worker trains; several are trained at once.

    Attributes:
        names: Of the members.
        folders: Of their runs.
        configs: Their experiments as TOML.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    configs: tuple[str, ...]


@runtime_checkable
class Executor(Protocol):
    """Runs jobs elsewhere. Leaving its context stops those that have not ended."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Accept jobs; returns at once."""

    def finished(self) -> dict[str, str]:
        """The members that ended since the last call: by name what went wrong, or ""."""

    def __enter__(self) -> "Executor":
        """Ready for jobs."""

    def __exit__(self, *exception: object) -> None:
        """Stop the jobs that have not ended; their runs can be resumed."""


def outcomes_by_name(ended: Iterable[tuple[Job, Outcome]]) -> dict[str, str]:
    """By member's name what went wrong, from the outcome of each job."""
    found: dict[str, str] = {}
    for job, outcome in ended:
        errors = [outcome] * len(job.names) if isinstance(outcome, str) else outcome
        found.update(zip(job.names, errors, strict=True))
    return found
