"""Members of a sweep, as a worker process or a node of a cluster runs them."""

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

__all__ = ["run_member", "run_members"]


def run_member(folder: str, config: str) -> str:
    """Train one run to its end, in its folder; it goes on where it stopped.

    Strings in and out, so that any scheduler can carry them.

    Args:
        folder: Of the run, on a file system that the caller sees too.
        config: The experiment as TOML.

    Returns:
        What went wrong, in a line or more; empty when the run is finished.
    """
    try:
        run_experiment(_parsed(folder, config), Path(folder))
    except Exception as error:  # whatever it is, the other members go on
        return _told(error)
    return ""


def run_members(folders: Sequence[str], configs: Sequence[str]) -> list[str]:
    """The same for several runs; more than one are trained at once.

    Args:
        folders: Of the runs.
        configs: As many experiments as TOML, put together by `groups`.

    Returns:
        What went wrong with each; empty for those that are finished.
    """
    if len(folders) == 1:
        return [run_member(folders[0], configs[0])]
    try:
        parsed = [_parsed(*pair) for pair in zip(folders, configs, strict=True)]
        errors = run_together(parsed, [Path(folder) for folder in folders])
    except Exception as error:  # of none in particular, such as missing data
        return [_told(error)] * len(folders)
    return ["" if error is None else _told(error) for error in errors]


def _parsed(folder: str, config: str) -> ExperimentConfig:
    return parse_config(config, source=f"the sweep's '{Path(folder).name}'", name="")


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, DeepNRCError) else f"{type(error).__name__}: {error}"


def _end_with_input() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock would be held at the interpreter's exit
        pass
    os._exit(1)


def main() -> int:
    """``python -m deepnrc.training.sweeps.member FOLDER …``.

    A JSON list of the configurations comes as a line on standard input; the last line that is
    printed is one of what went wrong with each. When standard input is closed, the process ends:
    a sweep that is killed leaves nobody behind, and its runs go on with the next one.
    """
    configs = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    errors = run_members(sys.argv[1:], configs)
    print(json.dumps(errors, ensure_ascii=False))
    return 1 if any(errors) else 0


if __name__ == "__main__":
    sys.exit(main())
