"""Measurements and the log of a run, read from its folder after a check against its manifest."""

from typing import Any

from deepnrc.errors import FileError
from deepnrc.results.measurement import Measurement
from deepnrc.results.measurement import load as load_measurement
from deepnrc.storage.documents import read_labels
from deepnrc.training.runs.faults import refuse_fault
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.manifest import RunManifest

__all__ = ["load_log", "load_measured"]


def load_measured(
    folder: RunFolder, epoch: int, part: str = "train", *, manifest: RunManifest | None = None
) -> Measurement | None:
    """The measurement of an epoch; None where there is none.

    Args:
        folder: Of the run.
        epoch: Passes over the training data.
        part: ``"train"`` or ``"test"``.
        manifest: Of the run, where it is read already.

    Raises:
        FileError: The file is lost, altered, damaged, or of another run, epoch or part.
    """
    manifest = folder.manifest() if manifest is None else manifest
    path = folder.measurement(epoch, part)
    if not (path.is_file() if manifest is None else manifest.holds(path)):
        return None
    refuse_fault(manifest, path)
    measurement = load_measurement(path)
    expected: dict[str, Any] = {"epoch": epoch, "part": part}
    if manifest is not None:
        expected["run"] = manifest.run
    labels = read_labels(path) if manifest is None else {}
    for name, found in labels.items():
        if found != expected.get(name, found):
            raise FileError(
                f"'{path}' is of {name} {found!r}, not of {expected[name]!r}: it was renamed or "
                "replaced; restore it from a copy"
            )
    return measurement


def load_log(folder: RunFolder) -> list[dict[str, Any]]:
    """The entries of the log up to the newest state; all, where the run has no manifest.

    Raises:
        FileError: It is missing, altered or damaged.
    """
    manifest = folder.manifest()
    refuse_fault(manifest, folder.log)
    entries = read_log(folder.log)
    return entries if manifest is None else entries[: manifest.epoch]
