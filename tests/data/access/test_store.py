"""Built sets: whole or not there, one builder at a time, altered ones named."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deepnrc.data import build, built_sets, load_raw
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.manifest import file_sha256

BUILD = (
    "import sys; sys.path.append(sys.argv[1]); from deepnrc.data import build, register; "
    "import toy_source; [register(source) for source in toy_source.SOURCES]; "
    "print(build(sys.argv[2], say=lambda line: print(line, flush=True)))"
)


def _process(name="toy", **environment):
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(Path(__file__).parents[1]), name],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("name", "file"), [("toy", "toy-samples20-seed0.safetensors"),
                                            ("toys", "toys-samples20-seed0")])  # fmt: skip
def test_build_then_load(toy_log, home, name, file):
    assert built_sets(name) == ()
    path = build(name)
    assert path == home / file
    left = {entry.name for entry in home.iterdir()}
    assert left == {file, f".{name}-samples20-seed0.lock"}
    raw = load_raw(name)
    assert raw.inputs.shape == (20, 3)
    [(name_of_file, sha256)] = raw.provenance["files"].items()
    assert name_of_file == file
    assert sha256 == file_sha256(path if path.is_file() else path / "manifest.json")


def test_a_second_build_takes_what_is_there(toy_log):
    said = []
    path = build("toy", say=said.append)
    before = path.stat().st_mtime_ns
    assert build("toy", say=said.append) == path
    assert said == ["toy: building", "toy: already built and unaltered"]
    assert toy_log.read_text() == "20 0 None\n"
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["toy", "toys"])
def test_again_builds_anew_in_its_place(toy_log, home, name):
    path = build(name)
    assert build(name, again=True) == path
    assert toy_log.read_text() == "20 0 None\n" * 2
    assert [entry.name for entry in home.iterdir() if "draft" in entry.name] == []
    assert load_raw(name).inputs.shape == (20, 3)


def test_samples_and_seeds_are_sets_of_their_own(toy_log):
    for samples, seed in ((20, 0), (9, 0), (20, 1)):
        build("toy", samples=samples, seed=seed, seconds=2.5)
    assert [(one.samples, one.seed) for one in built_sets("toy")] == [(9, 0), (20, 0), (20, 1)]
    assert toy_log.read_text() == "20 0 2.5\n9 0 2.5\n20 1 2.5\n"
    first, other = load_raw("toy"), load_raw("toy", seed=1)
    assert not torch.equal(first.inputs, other.inputs)
    assert load_raw("toy", samples=9).inputs.shape == (9, 3)


def test_sets_with_a_similar_name_are_not_taken_for_one_another(toy_log):
    build("toys")
    assert built_sets("toy") == ()


def test_two_processes_at_once_the_second_waits_and_takes_the_first_ones(toy_log, home, tmp_path):
    signal = tmp_path / "go on"
    first, second = None, None
    try:
        first = _process(TOY_WAITS_FOR=str(signal))
        assert first.stdout.readline() == "toy: building\n"
        second = _process()
        holder = f"process {first.pid} on {socket.gethostname()}"
        waiting = f"toy-samples20-seed0: {holder} is building this set; waiting for it\n"
        assert second.stdout.readline() == waiting
        assert built_sets("toy") == ()
    finally:
        signal.touch()
        outcomes = [process.communicate(timeout=60) for process in (first, second) if process]
    path = str(home / "toy-samples20-seed0.safetensors")
    assert outcomes[0][0].strip() == path
    assert outcomes[1][0].splitlines() == ["toy: already built and unaltered", path]
    assert toy_log.read_text() == "20 0 None\n"


def test_a_killed_builder_leaves_no_set_and_no_lock(toy_log, home, tmp_path):
    victim = _process(TOY_WAITS_FOR=str(tmp_path / "never"))
    try:
        assert victim.stdout.readline() == "toy: building\n"
    finally:
        victim.kill()
        victim.communicate()
    left = home / ".toy-samples20-seed0.0123abcd.draft"
    left.write_bytes(b"half of it")
    assert built_sets("toy") == ()
    with pytest.raises(FileError, match="build it with `deepnrc data build toy --samples 20`"):
        load_raw("toy")
    build("toy")
    assert not left.exists()
    assert load_raw("toy").inputs.shape == (20, 3)


def test_drafts_within_drafts_are_removed_and_those_of_others_kept(toy_log, home):
    """What is left where a builder is killed while it writes its file of tensors."""
    home.mkdir(parents=True)
    other = home / ".toy-samples20-seed01.0123abcd.draft"
    for name in ("..toy-samples20-seed0.0123abcd.draft.89abcdef.draft", other.name):
        (home / name).write_bytes(b"half of it")
    build("toy")
    assert [path for path in home.iterdir() if "draft" in path.name] == [other]


def test_a_failed_build_leaves_the_old_set_and_no_draft(toy_log, home, monkeypatch):
    path = build("toys")
    before = file_sha256(path / "manifest.json")
    monkeypatch.setenv("TOY_FAILS", "yes")
    message = r"cannot write '.*toys-samples20-seed0': no space left"
    with pytest.raises(FileError, match=message):
        build("toys", again=True)
    assert file_sha256(path / "manifest.json") == before
    assert [entry.name for entry in home.iterdir() if "draft" in entry.name] == []


def test_an_altered_file_is_named_and_refused_and_building_mends_it(toy_log):
    path = build("toy")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(FileError, match=r"toy-samples20-seed0\.safetensors' was altered"):
        load_raw("toy")
    said = []
    build("toy", say=said.append)
    assert "was altered after it was written" in said[0]
    assert said[0].endswith(". It is built again now")
    assert path.read_bytes() == content


def test_an_altered_folder_is_named_and_refused_and_building_mends_it(toy_log):
    path = build("toys")
    (path / "below" / "inputs").write_bytes(b"?")
    message = "below/inputs' was altered .*; build it again with `deepnrc data build toys --samples"
    with pytest.raises(FileError, match=message):
        load_raw("toys")
    build("toys")
    assert load_raw("toys").inputs.shape == (20, 3)


def test_what_cannot_be_built_says_what_else_to_do(home):
    for name, otherwise in (
        ("synthetic", "it is made in memory when it is loaded"),
        ("sgemm", "download the real files with `deepnrc data fetch sgemm`"),
        ("utkface", "load the real files with path=…"),
    ):
        with pytest.raises(ArgumentError, match=f"'{name}' cannot be built: {otherwise}"):
            build(name)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [({"samples": 0}, "samples must be at least 1"), ({"seed": -1}, "seed must be at least 0"),
     ({"seconds": -1.0}, "seconds must be above 0")],
)  # fmt: skip
def test_numbers_out_of_range(toy_log, home, numbers, message):
    with pytest.raises(ArgumentError, match=message):
        build("toy", **numbers)
    assert toy_log.read_text() == ""
    assert not home.exists()


def test_a_cache_folder_that_cannot_be_made(toy_log, home, tmp_path):
    (tmp_path / "home").write_text("a file where a folder should be")
    with pytest.raises(
        FileError, match=r"cannot write '.*data': .*: free the disk, or set DEEPNRC_HOME"
    ):
        build("toy")
