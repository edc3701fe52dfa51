"""Checking a run's folder reads every file, names what is wrong, and writes nothing."""

import json
import shutil

import pytest

from deepnrc.training.runs.check import check_run
from deepnrc.training.runs.run import run_experiment
from helpers import small_experiment


def config(**changes):
    small = {"epochs": 3, "measure": {"epochs": [0, 2]}, "model": {"width": 4, "depth": 2}}
    return small_experiment(**{**small, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("check") / "run"
    run_experiment(config(), path)
    return path


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def names(path):
    return sorted((str(file), file.stat().st_mtime_ns) for file in path.rglob("*"))


def test_a_whole_run_has_nothing_wrong_and_is_left_as_it_is(whole):
    before = names(whole)
    assert check_run(whole) == ([], [])
    assert names(whole) == before


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_one_bit_of_any_file_is_noticed(run, place):
    for file in sorted(run.rglob("*")):
        if not file.is_file() or file.name in (".lock", "sessions.jsonl"):
            continue
        content = file.read_bytes()
        at = int(place * len(content))
        file.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        [wrong], _ = check_run(run)
        assert str(file) in wrong
        assert "restore it from a copy" in wrong or "delete it and" in wrong
        file.write_bytes(content)


def test_without_a_manifest_what_can_be_checked_is(run):
    (run / "manifest.json").unlink()
    wrong, [note] = check_run(run)
    assert wrong == []
    assert "has no manifest.json: an older version wrote it" in note
    weights = run / "checkpoints" / "epoch-000002.safetensors"
    shutil.copy(run / "checkpoints" / "epoch-000000.safetensors", weights)
    (run / "environment.json").write_text("{}")
    log = (run / "log.jsonl").read_text()
    (run / "log.jsonl").write_text(log.replace('"epoch": 2', '"epoch": 7'))
    with (run / "sessions.jsonl").open("a") as file:
        file.write('{"epoch": "many"}\n')
    wrong, _ = check_run(run)
    assert [line.partition(": ")[0].replace(str(run), "run") for line in wrong] == [
        "'run/environment.json'",
        "'run/log.jsonl' line 2 is of epoch 7, not of 2",
        "'run/sessions.jsonl' line '3'",
        "'run/checkpoints/epoch-000002.safetensors' holds the weights of epoch 0, not of 2",
    ]


def test_other_files_are_told(run, tmp_path):
    (run / "checkpoints" / "epoch-000001.safetensors").touch()
    (run / "checkpoints" / "epoch-000009.safetensors").touch()
    (run / "checkpoints" / ".latest.safetensors.0a1b2c3d.draft").touch()
    (run / "notes.txt").touch()
    (run / "figures").mkdir()
    (run / "figures" / "layers.png").touch()
    (run / "link").symlink_to(tmp_path)
    wrong, notes = check_run(run)
    assert [line.split("'")[1].removeprefix(f"{run}/") for line in wrong] == [
        "checkpoints/epoch-000001.safetensors", "link",
    ]  # fmt: skip
    assert "it is of another run, or was put there later; remove it" in wrong[0]
    assert [line.split("'")[1].removeprefix(f"{run}/") for line in notes] == [
        "checkpoints/.latest.safetensors.0a1b2c3d.draft", "checkpoints/epoch-000009.safetensors",
        "notes.txt",
    ]  # fmt: skip


def test_names_that_a_terminal_would_obey_are_escaped(run):
    (run / "checkpoints" / "a\x1b[2J").touch()
    _, [note] = check_run(run)
    assert "a\\x1b[2J" in note
    assert "\x1b" not in note


def test_lines_that_no_state_covers_are_told(run):
    with (run / "log.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')
    wrong, [note] = check_run(run)
    assert wrong == []
    assert "log.jsonl' holds lines after epoch 3, that of the newest state: the next ses" in note


def test_what_is_wrong_with_the_manifest_is_told_first(run):
    document = json.loads((run / "manifest.json").read_text())
    document["record"]["epoch"] = "many"
    (run / "manifest.json").write_text(json.dumps(document))
    [wrong], _ = check_run(run)
    assert "manifest.json': epoch must be a valid integer; got 'many': restore it from a" in wrong
