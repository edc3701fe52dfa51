"""What is wrong with a file of a run, and what to do about it."""

from dataclasses import dataclass
from pathlib import Path

from deepnrc.errors import FileError
from deepnrc.storage.manifest import MANIFEST
from deepnrc.support.text import shown
from deepnrc.training.runs.manifest import LATEST, LOG, RunManifest

__all__ = ["Fault", "find_faults", "refuse_fault"]

_AGAIN = "give the command of the run again"
_COPY = "restore it from a copy"
_REMEDIES = {
    "config.toml": f"{_COPY}, or {_AGAIN} with the configuration that it started with",
    "provenance.json": f"delete it and {_AGAIN}, which writes it anew",
    "environment.json": f"delete it and {_AGAIN}, which writes that of its next session",
    LOG: f"{_COPY}, or start again in another folder",
    LATEST: f"{_COPY}, or start again in another folder",
}
_WEIGHTS = (
    f"{_COPY}, or delete it: training needs it no more, but its epoch cannot be measured again"
)
_MEASUREMENT = f"delete it and {_AGAIN}, which measures again with the weights of that epoch"


@dataclass(frozen=True)
class Fault:
    """A file that is not as the run wrote it.

    Attributes:
        path: The file.
        problem: ``"missing"``, ``"altered"`` or ``"unknown"``.
        advice: What to do.
    """

    path: Path
    problem: str
    advice: str

    def __str__(self) -> str:
        name = shown(self.path)
        if self.problem == "missing":
            return f"'{name}' is missing: {self.advice.removeprefix('delete it and ')}"
        if self.problem == "unknown":
            return (
                f"'{name}' is not in {MANIFEST}: it is of another run, or was put there later; "
                "remove it"
            )
        return (
            f"'{name}' was altered after it was written: its SHA-256 differs from the one in "
            f"{MANIFEST}; {self.advice}"
        )


def find_faults(manifest: RunManifest, *, by_size: bool = False) -> list[Fault]:
    """Every file of a manifest that is missing or altered.

    Args:
        manifest: Of the run.
        by_size: Whether only sizes are looked at.
    """
    found = manifest.faults(by_size=by_size)
    return [Fault(path, problem, _advice(manifest, path)) for path, problem in found]


def refuse_fault(manifest: RunManifest | None, path: Path) -> None:
    """Refuse a file that is not as the run wrote it; any, where there is no manifest.

    Raises:
        FileError: It is missing, altered or not in the manifest; the message says what to do.
    """
    problem = "" if manifest is None else manifest.fault(path)
    if manifest is not None and problem:
        raise FileError(str(Fault(path, problem, _advice(manifest, path))))


def _advice(manifest: RunManifest, path: Path) -> str:
    name = path.relative_to(manifest.folder).as_posix()
    if name.startswith("measurements/"):
        return _MEASUREMENT
    return _REMEDIES.get(name, _WEIGHTS)
