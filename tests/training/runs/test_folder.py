"""The run's folder: one process at a time, one configuration, nothing of others overwritten."""

import os

import pytest

from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.config.file import config_text
from deepnrc.training.runs.folder import RunFolder, lock_folder, named_folder


def config(**values):
    training = TrainingConfig(epochs=3, lr=0.1, **values)
    return ExperimentConfig(name="x", data={"name": "synthetic"}, training=training)


def test_a_folder_in_use_is_refused_and_given_back(tmp_path):
    message = (
        rf"run' is in use by process {os.getpid()} on .*: wait for it or choose another folder with"
    )
    for _ in range(2):
        with lock_folder(tmp_path / "run"), pytest.raises(DeepNRCError, match=message):
            lock_folder(tmp_path / "run").__enter__()


def test_prepare_writes_the_configuration_once(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(config())
    before = folder.config.stat().st_mtime_ns
    folder.prepare(config())
    assert folder.config.stat().st_mtime_ns == before
    assert folder.read_config() == config()
    assert sorted(x.name for x in tmp_path.iterdir()) == [
        "checkpoints", "config.toml", "measurements",
    ]  # fmt: skip


def test_another_configuration_is_refused_with_its_keys(tmp_path):
    RunFolder(tmp_path).prepare(config())
    with pytest.raises(FileError) as caught:
        RunFolder(tmp_path).prepare(config(weight_decay=0.5, clip_norm=1.0))
    assert str(caught.value) == (
        f"'{tmp_path}' holds a run of another configuration: choose another folder with --out, "
        "or undo the changes:\n"
        "  training.weight_decay: 0.0, now 0.5\n"
        "  training.clip_norm: not set, now 1.0"
    )


def test_a_folder_older_than_a_key_of_nrc4_stays_as_it_was_begun(tmp_path):
    """It says 1e-3 for all measurements of the run, whichever of both defaults is asked for."""
    folder = RunFolder(tmp_path)
    folder.prepare(config())
    text = folder.config.read_text().replace("rcond = 0.0\n", "")
    folder.config.write_text(text)
    assert folder.read_config().measure.options.rcond == 1e-3
    folder.prepare(config())
    assert folder.config.read_text() == text
    assert folder.as_begun(config()).measure.options.rcond == 1e-3


def test_other_files_are_not_mixed_with_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(FileError, match=r"holds other files \(thesis.tex, …\) and no run"):
        RunFolder(tmp_path).prepare(config())
    assert [x.name for x in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_start_that_was_killed_at_once_is_no_hindrance(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "measurements").mkdir()
    for name in (
        ".lock",
        ".config.toml.0a1b2c3d.draft",
        "checkpoints/.latest.safetensors.0a1b2c3d.draft",
        "measurements/.epoch-000001.json.0a1b2c3d.draft",
    ):
        (tmp_path / name).write_text("half")
    folder.prepare(config())
    assert sorted(x.name for x in tmp_path.rglob(".*")) == [".lock"]


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileError, match=r"is not the folder of a run: it has no config.toml"):
        RunFolder(tmp_path).read_config()


def test_epochs_are_those_with_weights(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(config())
    for epoch in (30, 4, 1234567):
        folder.weights(epoch).touch()
    folder.latest.touch()
    assert folder.epochs() == [4, 30, 1234567]
    assert folder.weights(4).name == "epoch-000004.safetensors"
    assert folder.measurement(4).name == "epoch-000004.json"
    assert folder.measurement(4, "test").name == "epoch-000004-test.json"


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "", "a/b", "a\\b", "a\x1b[2J", "a\0"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(ArgumentError) as caught:
        named_folder("runs", name)
    assert str(caught.value) == (
        f"name is {name!a}, which is not the name of one folder: give the experiment another "
        "name, or choose its folder with --out"
    )


def test_a_name_is_a_folder():
    assert str(named_folder("runs", "größe 2")) == "runs/größe 2"


def test_a_configuration_that_cannot_be_read_is_named(tmp_path):
    RunFolder(tmp_path).prepare(config())
    for content in (b"name = \n", b"\xff\xfe", b"x=" + b"[" * 20000):
        (tmp_path / "config.toml").write_bytes(content)
        with pytest.raises(
            FileError, match=r"config.toml' cannot be read .*: it was cut off or al"
        ):
            RunFolder(tmp_path).prepare(config())


@pytest.mark.parametrize("name", ["checkpoints", "measurements", "figures"])
def test_a_link_in_the_folder_leads_nowhere(tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "outside")
    (tmp_path / "run" / "config.toml").write_text(config_text(config()))
    with pytest.raises(
        FileError, match=rf"run/{name}' is a symbolic link, which may lead anywhere"
    ):
        RunFolder(tmp_path / "run").prepare(config())
    assert list((tmp_path / "outside").iterdir()) == []
