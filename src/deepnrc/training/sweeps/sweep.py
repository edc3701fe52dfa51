"""Sweeps: every combination of settings and seeds, each an ordinary run, and one tidy table."""

import importlib.util
import io
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.results.measurement import Measurement
from deepnrc.results.measurement import load as load_measurement
from deepnrc.storage.atomic import write_atomically
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.differences import differences
from deepnrc.training.config.file import config_text, plain_config
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.sweeps.executors import Executor, Job
from deepnrc.training.sweeps.together import groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Member",
    "MemberStatus",
    "check_table",
    "expand",
    "is_finished",
    "run_sweep",
    "tidy_frame",
    "write_table",
]

_TAIL = 65536  # bytes from the end of a log in which its last whole line is looked for


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: Of its folder: the swept settings and the seed.
        config: Its experiment.
        settings: The swept keys with its values, the seed not among them.
    """

    name: str
    config: ExperimentConfig
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class MemberStatus:
    """How far a member is.

    Attributes:
        member: Which.
        state: ``"waiting"``, ``"running"``, ``"done"``, ``"done before"`` (by an earlier
            sweep), or ``"failed"``.
        epoch: Epochs done.
        loss: Training loss of the last of them; None before the first.
        error: Why it failed; empty otherwise.
    """

    member: Member
    state: str
    epoch: int = 0
    loss: float | None = None
    error: str = ""


def expand(
    make: Callable[[Sequence[str]], ExperimentConfig], over: Sequence[str], *, seeds: int = 1
) -> tuple[Member, ...]:
    """Every combination of the swept values, each with so many seeds.

    Args:
        make: The experiment with such ``"key=value"`` settings over it.
        over: ``"training.weight_decay=0,5e-5,5e-4"`` and the like; the last varies fastest.
        seeds: Of each combination: the experiment's own seed and those that follow it.

    Returns:
        The members, with names that stay the same when a value is written in another way.

    Raises:
        ArgumentError: A value is missing, an assignment is malformed, or two members are alike.
    """
    if seeds < 1:
        raise ArgumentError(f"seeds must be at least 1; got {seeds}")
    axes = [_axis(assignment) for assignment in over]
    keys = [key for key, _ in axes]
    for key in keys:
        if keys.count(key) > 1 or key == "seed":
            why = "--seeds makes the seeds" if key == "seed" else "it is swept over twice"
            raise ArgumentError(f"--over {key}: {why}; give each key once, with all its values")
    found: dict[str, Member] = {}
    for values in itertools.product(*(values for _, values in axes)):
        config = make([f"{key}={value}" for key, value in zip(keys, values, strict=True)])
        settings = {key: _value(config, key) for key in keys}
        for seed in range(config.seed, config.seed + seeds):
            name = _name({**settings, "seed": seed})
            if name in found:
                raise ArgumentError(f"--over: two members would be '{name}': give each value once")
            seeded = config.model_copy(update={"seed": seed})
            found[name] = Member(name, seeded, settings)
    return tuple(found.values())


def is_finished(path: Path, config: ExperimentConfig) -> bool:
    """Whether the folder holds a run of this configuration that came to its end."""
    folder = RunFolder(path)
    if not folder.config.is_file() or not folder.sessions.is_file():
        return False
    try:
        if differences(plain_config(folder.read_config()), plain_config(config)):
            return False  # the run itself will refuse it, and name the keys
    except DeepNRCError:
        return False  # the same for a damaged file
    sessions = folder.sessions.read_text(encoding="utf-8").splitlines()
    return any(_is_end(line) for line in sessions)


def run_sweep(
    members: Sequence[Member],
    out: Path,
    executor: Executor,
    *,
    together: int = 1,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
    interval: float = 0.5,
) -> tuple[MemberStatus, ...]:
    """Run what is not finished yet, each member in its folder ``out/NAME``.

    A member that fails does not stop the others; its error is told and kept in
    ``out/failures/NAME.txt`` until a later sweep finishes it.

    Args:
        members: Of the sweep.
        out: Folder of all of them.
        executor: Where they run; left open.
        together: So many at most are trained at once by one worker, where they differ only in
            seed, learning rate and weight decay (`deepnrc.training.sweeps.together.groups`).
        on_status: Called with the status of every member after each look at them.
        interval: Seconds between two looks.

    Returns:
        The status of each member at the end: ``"done"``, ``"done before"`` or ``"failed"``.

    Raises:
        ArgumentError: ``together`` is below 1.
        DeepNRCError: Another sweep runs on the folder.
        FileError: The folder cannot be written to.
    """
    # Of all members, finished or not: a sweep that goes on trains the same ones together.
    grouped = groups([member.config for member in members], together)
    with lock_folder(out):
        statuses = {
            member.name: MemberStatus(member, "done before", member.config.training.epochs)
            if is_finished(out / member.name, member.config)
            else MemberStatus(member, "waiting")
            for member in members
        }
        missing = [
            [
                members[number]
                for number in group
                if statuses[members[number].name].state == "waiting"
            ]
            for group in grouped
        ]
        executor.start([_job(group, out) for group in missing if group])
        while True:
            for name, error in executor.finished().items():
                member = statuses[name].member
                _keep_failure(out / "failures" / f"{name}.txt", error)
                state = "failed" if error else "done"
                statuses[name] = _progress(member, out, state, error)
            for name, status in statuses.items():
                if status.state in ("waiting", "running"):
                    statuses[name] = _progress(status.member, out, status.state)
            on_status(tuple(statuses.values()))
            if all(status.state not in ("waiting", "running") for status in statuses.values()):
                return tuple(statuses.values())
            time.sleep(interval)


def tidy_frame(members: Sequence[Member], out: Path) -> "pd.DataFrame":
    """One row for each value measured: what statistics and plotting programs take.

    Columns: ``run``, one a swept key, ``seed``, ``part`` (``"train"`` or ``"test"``), ``epoch``,
    ``layer``, ``metric``, ``value``. The network's own ``model_mse`` and ``model_r2`` have an
    empty layer; undefined values are NaN.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [row for member in members for row in _rows(member, out)]
    keys = list(members[0].settings) if members else []
    columns = ["run", *keys, "seed", "part", "epoch", "layer", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def check_table(path: Path) -> None:
    """Refuse before the work what `write_table` could not write after it.

    Raises:
        ArgumentError: The name ends in neither .csv nor .parquet, or Parquet without pyarrow.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ArgumentError(f"table: '{path}' must end in .csv or .parquet")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ArgumentError(
            "a table that ends in .parquet needs pyarrow: pip install pyarrow, or choose .csv"
        )


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write the table as CSV or Parquet, by the ending of the file's name; every digit is kept.

    Raises:
        ArgumentError: As `check_table`.
        FileError: The file cannot be written.
    """
    check_table(path)
    if path.suffix == ".csv":
        text: str = frame.to_csv(index=False)
        write_atomically(path, text.encode())
    else:
        content: bytes = frame.to_parquet(index=False)
        write_atomically(path, content)


def _axis(assignment: str) -> tuple[str, list[str]]:
    """``key=1,2`` as key and values; commas within brackets part nothing."""
    key, _, text = assignment.partition("=")
    values, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    if not key.strip() or not all(value.strip() for value in values):
        raise ArgumentError(
            f"--over {assignment}: expected KEY=VALUE,VALUE,…, such as training.weight_decay=0,1e-3"
        )
    return key.strip(), [value.strip() for value in values]


def _value(config: ExperimentConfig, key: str) -> Any:
    """The value as the configuration has it, so that 5e-5 and 0.00005 are the same member."""
    value: Any = config.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def _name(settings: Mapping[str, Any]) -> str:
    """``weight_decay=5e-05_depth=4_seed=0``; full keys where their ends are not enough."""
    ends = [key.rpartition(".")[2] for key in settings]
    shown = [end if ends.count(end) == 1 else key for key, end in zip(settings, ends, strict=True)]
    values = [_short(value) for value in settings.values()]
    text = "_".join(f"{key}={value}" for key, value in zip(shown, values, strict=True))
    return re.sub(r"[^\w.,=+\[\]-]", "-", text)


def _short(value: Any) -> str:
    """0 rather than 0.0, where nothing is lost."""
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def _job(group: Sequence[Member], out: Path) -> Job:
    first, *others = (
        Job(member.name, out / member.name, config_text(member.config)) for member in group
    )
    return replace(first, others=tuple(others))


def _is_end(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:  # a line that a killed process left half written
        return False
    return "ended" in entry


def _progress(member: Member, out: Path, state: str, error: str = "") -> MemberStatus:
    """The status with epoch and loss from the end of the member's log, which may be growing."""
    log = RunFolder(out / member.name).log
    try:
        with log.open("rb") as file:
            file.seek(0, io.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            *_, last, _unfinished = [b"", *file.read().split(b"\n")]
        entry = json.loads(last)
    except (OSError, ValueError):
        return MemberStatus(member, state, error=error)
    state = "running" if state == "waiting" else state
    return MemberStatus(member, state, entry["epoch"], entry["train_loss"], error)


def _keep_failure(path: Path, error: str) -> None:
    if not error:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, error.encode() + b"\n")


def _rows(member: Member, out: Path) -> Iterator[list[Any]]:
    folder = RunFolder(out / member.name)
    for epoch in folder.epochs():
        for part in ("train", "test"):
            path = folder.measurement(epoch, part)
            if not path.is_file():
                continue
            measurement = load_measurement(path)
            for layer, metric, value in _values(measurement):
                settings = member.settings.values()
                yield [
                    member.name, *settings, member.config.seed, part, epoch, layer, metric, value
                ]  # fmt: skip


def _values(measurement: Measurement) -> Iterator[tuple[str, str, float]]:
    yield "", "model_mse", measurement.model_mse
    yield "", "model_r2", measurement.model_r2
    for layer in measurement:
        for metric, value in layer.values.items():
            yield layer.name, metric, value
