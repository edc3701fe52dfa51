"""One member of a sweep, as a worker process or a node of a cluster runs it."""

import sys
from pathlib import Path

from deepnrc.errors import DeepNRCError
from deepnrc.training.config_file import parse_config
from deepnrc.training.run import run_experiment

__all__ = ["run_member"]


def run_member(folder: str, config: str) -> str:
    """Train one run to its end, in its folder; it goes on where it stopped.

    Two strings in and one out, so that any scheduler can carry them.

    Args:
        folder: Of the run, on a file system that the caller sees too.
        config: The experiment as TOML.

    Returns:
        What went wrong, in a line or more; empty when the run is finished.
    """
    try:
        path = Path(folder)
        run_experiment(parse_config(config, source=f"the sweep's '{path.name}'", name=""), path)
    except DeepNRCError as error:
        return str(error)
    except Exception as error:  # whatever it is, the other members go on
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> int:
    """``python -m deepnrc.training.member FOLDER`` with the configuration on standard input."""
    [folder] = sys.argv[1:]
    error = run_member(folder, sys.stdin.read())
    print(error, file=sys.stderr)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
