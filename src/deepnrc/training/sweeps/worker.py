"""Training members of a sweep in a worker: a process on this machine or a node of a cluster."""

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from deepnrc.errors import DeepNRCError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import parse_config
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.sweeps.together import run_together

__all__ = ["run_members"]


def run_members(folders: Sequence[str], configs: Sequence[str]) -> list[str]:
    """Train runs to their end, each in its folder, where it resumes if it was interrupted.

    Everything is text, so that any scheduler can transport it.

    Args:
        folders: Of the runs, on a file system that the caller sees too.
        configs: Their experiments as TOML. Several are trained at once; they must be one group of
            `ensemble_groups`.

    Returns:
        What went wrong with each run, in one or more lines; "" for those that are finished.
    """
    try:
        parsed = [_parsed(*pair) for pair in zip(folders, configs, strict=True)]
        if len(parsed) == 1:
            run_experiment(parsed[0], Path(folders[0]))
            return [""]
        errors = run_together(parsed, [Path(folder) for folder in folders])
    except Exception as error:  # whatever it is, other workers continue
        return [_message(error)] * len(folders)
    return ["" if error is None else _message(error) for error in errors]


def _parsed(folder: str, config: str) -> ExperimentConfig:
    return parse_config(config, source=f"the sweep's '{Path(folder).name}'", name="")


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, DeepNRCError) else f"{type(error).__name__}: {error}"


def _end_with_input() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock would be held at the interpreter's exit
        pass
    os._exit(1)


def main() -> int:
    """``python -m deepnrc.training.sweeps.worker FOLDER …``.

    A JSON list of the configurations is read as one line from standard input. The last line
    printed is a JSON list of what went wrong with each. When standard input is closed, the process
    ends: a sweep that is killed leaves no process behind, and the next one resumes its runs.
    """
    configs = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    errors = run_members(sys.argv[1:], configs)
    print(json.dumps(errors, ensure_ascii=False))
    return 1 if any(errors) else 0


if __name__ == "__main__":
    sys.exit(main())
