"""The lines of a run's log and of its sessions, and its environment, as their files hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.storage.schema import check_record

__all__ = ["EnvironmentRecord", "LogEntry", "SessionEntry", "check_entries"]


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One epoch in ``log.jsonl``.

    Attributes:
        epoch: From 1.
        lr: Learning rate.
        objective: What was minimized, with its penalties.
        train_loss: Mean squared error over the training data, while they were trained on.
        train_r2: R² of each target; None where it is constant.
        gradient_norm: Mean over the steps that were looked at.
        test_loss: Mean squared error over the test data.
        test_r2: R² of each target; None where it is constant.
    """

    epoch: int = field(metadata={"low": 1})
    lr: float = field(metadata={"low": 0.0})
    objective: float
    train_loss: float = field(metadata={"low": 0.0})
    train_r2: tuple[float | None, ...] = field(metadata={"high": 1.0})
    gradient_norm: float = field(metadata={"low": 0.0})
    test_loss: float = field(metadata={"low": 0.0})
    test_r2: tuple[float | None, ...] = field(metadata={"high": 1.0})


@dataclass(frozen=True, kw_only=True)
class SessionEntry:
    """The start or the end of a process in ``sessions.jsonl``."""

    started: str = ""
    ended: str = ""
    epoch: int
    run: str = ""
    process: int = 0
    host: str = ""
    together: int = 1
    seconds: float = 0.0
    seconds_measuring: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecord:
    """What a run was computed with: ``environment.json``."""

    deepnrc: str
    commit: str | None
    python: str
    packages: Mapping[str, str]
    platform: str
    processor: str
    cores: int | None
    threads: int
    device: str
    cuda: str | None


def check_entries(entries: list[dict[str, Any]], path: Path) -> None:
    """Refuse the entries of a log that are not those of successive epochs.

    Raises:
        FileError: One lacks a field or holds a wrong value, which is named; or is out of order.
    """
    advice = "the log was altered; restore it from a copy, or start again in another folder"
    for number, entry in enumerate(entries, start=1):
        check_record(LogEntry, entry, f"{path}' line '{number}", advice=advice)
        if entry["epoch"] != number:
            raise FileError(
                f"'{path}' line {number} is of epoch {entry['epoch']}, not of {number}: {advice}"
            )
