"""By name: which files are taken, what is passed on, what is said when they are not there."""

import pytest
import torch

from deepnrc.data import build, fetch, load, load_raw
from deepnrc.data.access import download
from deepnrc.data.access.cache import save_tensors
from deepnrc.data.source import Download
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.manifest import file_sha256


@pytest.fixture
def real(tmp_path):
    """A "real" file of the toy set with 40 rows."""
    path = tmp_path / "real.safetensors"
    inputs = torch.arange(120.0).reshape(40, 3)
    save_tensors(path, {"inputs": inputs, "targets": inputs[:, :2] + 1}, {})
    return path


def test_default_scaling_is_the_sets_own(change_toy):
    build("toy")

    def scaled(standardize=None, **changes):
        change_toy(**changes)
        return load("toy", standardize=standardize).provenance["scaling"]

    def both(inputs, targets):
        return {"inputs": inputs, "targets": targets}

    assert scaled() == both("standard", "standard")
    assert scaled(False) == both("none", "none")
    assert scaled(scaling="minmax") == both("standard", "minmax")
    assert scaled(scaling="none") == both("standard", "none")
    assert load("toy", standardize=True).provenance["scaling"] == both("standard", "standard")
    assert scaled(standardize=None, scaling="minmax") == both("standard", "minmax")
    change_toy(standardize=False)
    assert load("toy").provenance["scaling"] == both("none", "none")
    assert load("toy", standardize=True).provenance["scaling"] == both("standard", "minmax")


def test_samples_seed_and_split_are_passed_on(toy_log):
    build("toy", samples=12, seed=3)
    data = load("toy", samples=12, seed=3, split_seed=1, test_fraction=0.5, standardize=False)
    raw = load_raw("toy", samples=12, seed=3)
    together = torch.cat([data.train.inputs, data.test.inputs])
    assert torch.equal(together.sort(dim=0).values, raw.inputs.sort(dim=0).values)
    assert data.provenance["split"]["test_rows"] == 6
    other = load("toy", samples=12, seed=3, split_seed=2, test_fraction=0.5, standardize=False)
    assert not torch.equal(other.train.inputs, data.train.inputs)


def test_a_path_is_read_whatever_is_built(toy_log, real):
    build("toy")
    raw = load_raw("toy", real)
    assert raw.inputs.shape == (40, 3)
    assert list(raw.provenance["files"]) == ["real.safetensors"]
    assert load_raw("toy", str(real), samples=5).inputs.shape == (5, 3)


def test_a_tilde_in_the_path_is_the_home_folder(toy_log, real, monkeypatch):
    monkeypatch.setenv("HOME", str(real.parent))
    assert load_raw("toy", "~/real.safetensors").inputs.shape == (40, 3)


def test_options_reach_the_reader_of_real_and_of_built_files(toy_log, real):
    build("toy")
    assert load_raw("toy", real, only="mine").provenance["data"] == "mine"
    assert load_raw("toy", only="mine").provenance["data"] == "mine"
    with pytest.raises(ArgumentError, match="colour is not an option of 'toy'; its options: only"):
        load("toy", colour="red")
    with pytest.raises(
        ArgumentError, match="only is not an option of 'toys'; its options: none of its own"
    ):
        load("toys", only="x")


def test_fetched_files_go_before_built_ones_unless_samples_are_asked_for(change_toy, home, real):
    build("toy")
    change_toy(downloads=(Download("https://nowhere.invalid/x", "real.safetensors", None),))
    assert load_raw("toy").inputs.shape == (20, 3)  # nothing is fetched yet
    folder = download.fetched_folder("toy")
    folder.mkdir(parents=True)
    fetched = folder / "real.safetensors"
    fetched.write_bytes(real.read_bytes())
    with pytest.raises(FileError, match=r"cannot be checked, because 'real\.safetensors\.sha256'"):
        load_raw("toy")
    record = folder / "real.safetensors.sha256"
    record.write_text(f"{file_sha256(fetched)}  real.safetensors\n")
    raw = load_raw("toy")
    assert raw.inputs.shape == (40, 3)
    assert list(raw.provenance["files"]) == ["real.safetensors"]
    built = load_raw("toy", samples=20)
    assert list(built.provenance["files"]) == ["toy-samples20-seed0.safetensors"]
    (folder / "real.safetensors.sha256").write_text(f"{'0' * 64}  real.safetensors\n")
    with pytest.raises(
        FileError, match=r"real.safetensors was altered after it was downloaded: its"
    ):
        load_raw("toy")
    with pytest.raises(FileError, match=r"delete it and run `deepnrc data fetch toy`"):
        load_raw("toy")


def test_what_is_not_here_says_how_to_get_it(home):
    message = (
        r"'hopper' with 5000 samples and seed 0 is not on this machine: build it with "
        r"`deepnrc data build hopper --samples 5000`, or"
    )
    with pytest.raises(FileError, match=message):
        load("hopper")
    with pytest.raises(FileError, match=r"--samples 10 --seed 4`"):
        load("hopper", samples=10, seed=4)
    with pytest.raises(
        FileError, match=r"'sgemm' is not on this machine: run `deepnrc data fetch sgemm` or"
    ):
        load("sgemm")
    with pytest.raises(
        FileError, match=r"'utkface' is not on this machine: pass path=… of the real files"
    ):
        load("utkface")
    with pytest.raises(FileError, match="'tabular' is not on this machine: pass path"):
        load("tabular")


def test_no_real_files_to_read(tmp_path):
    with pytest.raises(
        ArgumentError, match="path must be left out for 'synthetic', which has no real"
    ):
        load("synthetic", tmp_path)


def test_wrong_name_is_refused_before_anything_else():
    with pytest.raises(ArgumentError, match="did you mean 'hopper'"):
        load("hoppper")
    with pytest.raises(ArgumentError, match="did you mean 'hopper'"):
        build("hoppper")
    with pytest.raises(ArgumentError, match="did you mean 'hopper'"):
        fetch("hoppper")


def test_synthetic_is_made_on_the_spot(home):
    data = load("synthetic", samples=50, seed=2, teacher="linear", rank=1, noise=0.5)
    assert data.train.inputs.shape == (40, 20)
    assert (data.truth.rank, data.truth.noise_floor) == (1, 0.25)
    assert data.provenance["scaling"] == {"inputs": "none", "targets": "none"}
    assert data.provenance["made_from"] == (
        "synthetic: linear teacher of rank 1, 50 samples, noise 0.5, seed 2"
    )
    assert not home.exists()
    assert load("synthetic").train.inputs.shape == (8000, 20)
