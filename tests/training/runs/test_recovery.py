"""Every file of a run altered, cut, emptied or lost: named with what to do, or made again."""

import json
import shutil

import pytest

import deepnrc
from deepnrc.errors import FileError
from deepnrc.training.runs import session as sessions
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.measured import load_log, load_measured
from deepnrc.training.runs.run import RunEvents, run_experiment
from deepnrc.training.runs.saved_run import load_run
from helpers import run_contents, small_experiment

MEASUREMENT = "measurements/epoch-000002.json"
WEIGHTS = "checkpoints/epoch-000002.safetensors"
LATEST = "checkpoints/latest.safetensors"
FILES = [
    "config.toml", "environment.json", "provenance.json", "log.jsonl", "manifest.json", LATEST,
    WEIGHTS, MEASUREMENT,
]  # fmt: skip


def flip(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :]


HARMS = {"altered": flip, "cut": lambda c: c[: len(c) // 2], "emptied": lambda c: b""}


def config(**changes):
    small = {"epochs": 3, "measure": {"epochs": [0, 2]}, "model": {"width": 4, "depth": 2}}
    return small_experiment(**{**small, **changes})


class StoppedError(Exception):
    pass


def stop(entry):
    if entry["epoch"] == 3:
        raise StoppedError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that is finished, and one that was stopped in its last epoch."""
    folder = tmp_path_factory.mktemp("recovery")
    run_experiment(config(), folder / "finished")
    with pytest.raises(StoppedError):
        run_experiment(config(), folder / "stopped", events=RunEvents(on_epoch=stop))
    return folder


@pytest.fixture
def copy(runs, tmp_path):
    def make(state):
        shutil.copytree(runs / state, tmp_path / "run")
        return tmp_path / "run"

    return make


def trained(path):
    """What the run said."""
    lines = []
    run_experiment(config(), path, events=RunEvents(say=lines.append))
    return "\n".join(lines)


@pytest.mark.parametrize("state", ["finished", "stopped"])
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_named_or_written_again_as_it_was(runs, copy, name, harm, state):
    path = copy(state)
    file = path / name
    whole = file.read_bytes()
    file.write_bytes(HARMS[harm](whole))
    if name in ("config.toml", "provenance.json"):  # which follow from what is given
        assert f"{name}' was damaged or lost: written again, as it was" in trained(path)
        assert run_contents(path) == run_contents(runs / "finished")
        return
    harmed = run_contents(path)
    with pytest.raises(FileError, match=rf"{name}'.*: .*(restore it from a copy|delete it)"):
        trained(path)
    assert run_contents(path) == harmed
    file.write_bytes(whole)
    trained(path)
    assert run_contents(path) == run_contents(runs / "finished")


def test_between_the_manifest_and_its_state_a_process_may_be_killed_twice(
    runs, tmp_path, monkeypatch
):
    """The second time after it has cut the log back to the older state."""
    path, write = tmp_path / "run", sessions.replace_file

    def fail(file, content, **options):
        if file.name == "latest.safetensors" and file.exists():
            raise StoppedError
        write(file, content, **options)

    def stop_at_once(entry):
        raise StoppedError

    with monkeypatch.context() as killed:
        killed.setattr(sessions, "replace_file", fail)
        with pytest.raises(StoppedError):
            run_experiment(config(), path)
    assert RunFolder(path).manifest().epoch == 2  # its state is still that of epoch 0
    with pytest.raises(StoppedError):
        run_experiment(config(), path, events=RunEvents(on_epoch=stop_at_once))
    assert RunFolder(path).manifest().epoch == 0
    assert RunFolder(path).epochs() == [0]
    trained(path)
    assert run_contents(path) == run_contents(runs / "finished")


@pytest.mark.parametrize("name", ["config.toml", "provenance.json", MEASUREMENT])
def test_a_lost_file_is_made_again_as_it_was(runs, copy, name):
    path = copy("stopped")
    (path / name).unlink()
    said = trained(path)
    assert run_contents(path) == run_contents(runs / "finished")
    if name == MEASUREMENT:
        assert "epoch-000002.json' was lost: measured again, as it was" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "environment.json",
            "environment.json' is missing: it is written anew, as of this",
        ),
        (WEIGHTS, "epoch-000002.safetensors' is missing: restore it from a copy"),
    ],
)
def test_without_some_files_a_run_goes_on(copy, name, said):
    path = copy("stopped")
    (path / name).unlink()
    assert said in trained(path)
    assert RunFolder(path).manifest().epoch == 3


@pytest.mark.parametrize("name", ["log.jsonl", LATEST])
def test_without_others_it_is_refused(copy, name):
    path = copy("stopped")
    (path / name).unlink()
    with pytest.raises(FileError, match=rf"{name}' is missing: restore it from a copy, or start"):
        trained(path)


def test_a_measurement_whose_weights_are_lost_too_is_refused(copy):
    path = copy("finished")
    (path / MEASUREMENT).unlink()
    (path / WEIGHTS).unlink()
    with pytest.raises(FileError, match=r"epoch-000002.json' is missing, and '.*epoch-000002.saf"):
        trained(path)


def test_without_its_manifest_a_run_is_like_one_of_an_older_version(runs, copy):
    path = copy("stopped")
    (path / "manifest.json").unlink()
    assert "has no manifest.json, as runs of older versions: its files were che" in trained(path)
    assert run_contents(path) == run_contents(runs / "finished")


@pytest.mark.parametrize("name", [LATEST, WEIGHTS])
def test_without_its_manifest_files_of_another_run_are_refused(copy, tmp_path, name):
    path = copy("stopped")
    (path / "manifest.json").unlink()
    run_experiment(config(seed=1), tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, path / name)
    with pytest.raises(FileError, match=rf"{name}' is of another run: restore it from a copy, or"):
        trained(path)


@pytest.mark.parametrize("name", [*FILES[3:]])
def test_files_of_another_run_are_refused(copy, tmp_path, name):
    path = copy("finished")
    run_experiment(config(seed=1), tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, path / name)
    with pytest.raises(FileError, match=r"(was altered after it was written|another config)"):
        trained(path)


def test_readers_refuse_what_was_altered(copy):
    path = copy("finished")
    for name, read in (
        ("config.toml", lambda: load_run(path)),
        ("provenance.json", lambda: load_run(path)),
        (WEIGHTS, lambda: load_run(path, 2)),
        (MEASUREMENT, lambda: load_measured(RunFolder(path), 2)),
        ("log.jsonl", lambda: load_log(RunFolder(path))),
    ):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(flip(whole))
        with pytest.raises(FileError, match=rf"{name}' was altered after it was written"):
            read()
        (path / name).unlink()
        with pytest.raises(FileError, match=rf"{name}' is missing"):
            read()
        (path / name).write_bytes(whole)
        read()


def test_files_that_were_put_there_later_are_not_read(copy):
    path = copy("finished")
    shutil.copy(path / WEIGHTS, path / "checkpoints/epoch-000001.safetensors")
    shutil.copy(path / MEASUREMENT, path / "measurements/epoch-000001.json")
    assert RunFolder(path).epochs() == [0, 2]
    assert load_measured(RunFolder(path), 1) is None
    with pytest.raises(FileError, match="holds no weights of epoch 1, only of those that were mea"):
        load_run(path, 1)


def test_without_a_manifest_a_renamed_file_is_named(copy):
    path = copy("finished")
    (path / "manifest.json").unlink()
    shutil.copy(path / WEIGHTS, path / "checkpoints/epoch-000001.safetensors")
    shutil.copy(path / MEASUREMENT, path / "measurements/epoch-000001.json")
    with pytest.raises(FileError, match=r"000001.safetensors' holds the weights of epoch 2, not"):
        load_run(path, 1)
    with pytest.raises(FileError, match=r"epoch-000001.json' is of epoch 2, not of 1: it was ren"):
        load_measured(RunFolder(path), 1)


def test_a_manifest_from_elsewhere_leads_nowhere(copy):
    from deepnrc.storage.documents import document_bytes

    path = copy("finished")
    record = json.loads((path / "manifest.json").read_text())["record"]
    for name in ("../outside", "/etc/passwd", "measurements/epoch-000009\x1b.json"):
        files = {**record["files"], name: {"size": 1, "sha256": "0", "epoch": 9}}
        (path / "manifest.json").write_bytes(document_bytes("run", 1, {**record, "files": files}))
        with pytest.raises(FileError, match=r"manifest.json' names the file '.*', which no run w"):
            trained(path)


def test_the_manifest_lists_what_was_written(runs):
    path = runs / "finished"
    manifest = RunFolder(path).manifest()
    names = {name for name in run_contents(path) if name != "manifest.json"}
    assert set(manifest.files) == names | {"environment.json"}
    assert manifest.tensors["fc1.weight"] == {"dtype": "float32", "shape": [4, 20]}
    assert manifest.epochs() == [0, 2]
    document = json.loads((path / MEASUREMENT).read_text())
    assert (document["run"], document["epoch"], document["part"]) == (manifest.run, 2, "train")
    assert deepnrc.load(path / MEASUREMENT).samples == 80
