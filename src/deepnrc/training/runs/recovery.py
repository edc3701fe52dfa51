"""What a session finds in the folder of a run, and puts right before it resumes."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from deepnrc.errors import FileError
from deepnrc.results.measurement import load as load_measurement
from deepnrc.storage.atomic import replace_file
from deepnrc.storage.documents import json_bytes
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.state import TrainingState
from deepnrc.training.runs.checkpoint import load_state, load_weights
from deepnrc.training.runs.data import check_provenance
from deepnrc.training.runs.faults import Fault, find_faults
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import log_prefix
from deepnrc.training.runs.manifest import LATEST, RunManifest, WrittenFile

__all__ = ["lost_measurements", "recover"]


def recover(
    folder: RunFolder,
    config: ExperimentConfig,
    provenance: dict[str, object],
    state: TrainingState,
    say: Callable[[str], None],
) -> RunManifest:
    """Check the files of a run and load its newest state; the folder must be prepared.

    What a killed process left is put right: a manifest that is newer than the state is taken back
    to it. A lost file that can be written again with the same content is written again.

    Args:
        folder: Of the run.
        config: The experiment.
        provenance: Of the data.
        state: Of the untrained network; changed in place.
        say: Called with a line about what was found.

    Returns:
        The manifest as of the state.

    Raises:
        FileError: A file that is needed is missing, or one was altered; it is named, with what to
            do.
    """
    manifest = folder.manifest()
    if manifest is not None and manifest.epoch == 0 and not folder.latest.is_file():
        manifest = None  # killed before the first state: the run begins anew
    _check_data(folder, manifest, provenance, say)
    if manifest is None:
        manifest = RunManifest(folder.path, folder.identity())
        if folder.latest.is_file():
            load_state(folder.latest, state, run=manifest.run)
            _adopt(manifest, folder, config, state, say)
        return manifest
    for fault in find_faults(manifest):
        _judge(fault, folder, manifest, say)
    load_state(folder.latest, state, run=manifest.run)
    if state.epoch < manifest.epoch:
        _take_back(manifest, folder, state)
    return manifest


def lost_measurements(manifest: RunManifest) -> dict[int, list[Path]]:
    """Files of measurements that are missing, by epoch."""
    lost: dict[int, list[Path]] = {}
    for fault in find_faults(manifest, by_size=True):
        if fault.problem == "missing" and fault.path.parent.name == "measurements":
            name = fault.path.relative_to(manifest.folder).as_posix()
            lost.setdefault(manifest.files[name]["epoch"], []).append(fault.path)
    return lost


def _check_data(
    folder: RunFolder,
    manifest: RunManifest | None,
    provenance: dict[str, object],
    say: Callable[[str], None],
) -> None:
    content = json_bytes(provenance)
    known = manifest is not None and manifest.holds(folder.provenance)
    if manifest is not None and known and manifest.fault(folder.provenance):
        if not manifest.holds(folder.provenance, content):
            problem = manifest.fault(folder.provenance)
            advice = (
                "restore it from a copy: the data are not quite those that the run started with"
            )
            raise FileError(str(Fault(folder.provenance, problem, advice)))
        replace_file(folder.provenance, content)
        say(f"'{folder.provenance}' was damaged or lost: written again, as it was")
    check_provenance(folder, provenance)
    if not folder.provenance.is_file():
        replace_file(folder.provenance, content)


def _judge(
    fault: Fault, folder: RunFolder, manifest: RunManifest, say: Callable[[str], None]
) -> None:
    """Refuse a fault, unless the run can go on without the file or write it again."""
    if fault.problem != "missing" or fault.path in (folder.latest, folder.log, folder.config):
        raise FileError(str(fault))
    if fault.path == folder.environment:
        say(f"'{fault.path}' is missing: it is written anew, as of this session")
    elif fault.path.parent == folder.latest.parent:
        say(str(fault))
    else:
        name = fault.path.relative_to(folder.path).as_posix()
        weights = folder.weights(manifest.files[name]["epoch"])
        if manifest.fault(weights):
            raise FileError(
                f"'{fault.path}' is missing, and '{weights}', with which it could be measured "
                "again, is missing or altered: restore one of them from a copy, or start again in "
                "another folder"
            )


def _take_back(manifest: RunManifest, folder: RunFolder, state: TrainingState) -> None:
    """Before the log is cut, so that the next process finds them agree wherever this one ends."""
    size, sha256, epoch = log_prefix(folder.log, state.epoch)
    entry = manifest.files[LATEST]
    before = WrittenFile(
        size=folder.latest.stat().st_size, sha256=entry.get("before", ""), epoch=state.epoch
    )
    manifest.roll_back(before, WrittenFile(size=size, sha256=sha256, epoch=epoch))
    manifest.write()


def _adopt(
    manifest: RunManifest,
    folder: RunFolder,
    config: ExperimentConfig,
    state: TrainingState,
    say: Callable[[str], None],
) -> None:
    """List the files of a run that has no manifest, after checking each as far as it can be."""
    if state.epoch >= config.training.epochs:
        return  # finished: it is left as it is
    say(
        f"'{folder.path}' has no manifest.json, as runs of older versions: its files were checked "
        "by their own digests, where they have one, and are listed from now on"
    )
    for path in (folder.config, folder.provenance):
        manifest.add(path, path.read_bytes())
    for epoch in folder.epochs():
        if epoch > state.epoch:
            continue  # of a process that was killed before it wrote the state
        _check_weights(folder, state.model, epoch, manifest.run)
        manifest.add(folder.weights(epoch), folder.weights(epoch).read_bytes(), epoch=epoch)
        for part in ("train", "test"):
            path = folder.measurement(epoch, part)
            if path.is_file():
                load_measurement(path)
                manifest.add(path, path.read_bytes(), epoch=epoch)
    manifest.add_tensors(state.model.state_dict())
    manifest.add_state(folder.latest.read_bytes(), state.epoch)


def _check_weights(folder: RunFolder, model: nn.Module, epoch: int, run: str) -> None:
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        load_weights(folder.weights(epoch), model, run=run, epoch=epoch)
    finally:
        model.load_state_dict(kept)
