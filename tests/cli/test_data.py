"""``deepnrc data``, called as a program calls it."""

import dataclasses
import sys

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from deepnrc.cli.app import app
from deepnrc.data import build, dataset_names, register, unregister


def run(*arguments: object):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "data"


@pytest.fixture
def small_gemm(monkeypatch):
    """gemm without the seconds that compiling takes: the kernel as Python runs it."""
    monkeypatch.setattr("deepnrc.data.sets.gemm.SIZE", 8)
    monkeypatch.setattr(
        "deepnrc.data.sets.gemm.compile_kernel", lambda: lambda a, b, c, *_: c + a @ b
    )
    pytest.importorskip("numba")


def test_list_has_every_set_and_what_is_here(small_gemm, home):
    build("gemm", samples=1200)
    build("gemm", samples=30, seed=2)
    result = run("list")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:12]] == list(dataset_names())
    [gemm] = [line for line in lines if line.startswith("gemm")]
    assert "  4  30 rows (seed 2), 1,200 rows   Run times of a blocked matrix" in gemm
    assert "made when loaded" in result.stdout
    assert lines[-1] == f"Folder: {home}"
    fetched = home / "fetched" / "sgemm"
    fetched.mkdir(parents=True)
    (fetched / "sgemm_product.zip").touch()
    [sgemm] = [line for line in run("list").stdout.splitlines() if line.startswith("sgemm")]
    assert "  4  fetched" in sgemm


def test_info_of_a_set_that_is_not_here_says_how_to_get_it():
    result = run("info", "sgemm")
    assert result.exit_code == 0
    assert "comes from  UCI 440" in result.stdout
    assert "fetch       deepnrc data fetch sgemm" in result.stdout
    assert result.stdout.endswith("  here        –\n")


def test_info_of_a_synthetic_set_with_options():
    result = run(
        "info", "synthetic", "--samples", 50, "--option", "teacher=linear", "--option", "rank=1"
    )
    assert result.exit_code == 0, result.output
    assert "50 rows of 20 inputs and 10 targets" in result.stdout
    assert "truth: noiseless targets of rank 1" in result.stdout
    assert "linear teacher of rank 1" in result.stdout


def test_info_of_real_files(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": [1, 2, 3], "y": [1.0, 2, 4]}).to_csv(path, index=False)
    result = run("info", "tabular", "--path", path, "--option", 'targets=["y"]')
    assert result.exit_code == 0, result.output
    assert "3 rows of 1 inputs and 1 target" in result.stdout
    assert "  table.csv\n" in result.stdout
    some = run("info", "tabular", "--path", path, "--option", "targets=y", "--samples", 2)
    assert "made from: the file table.csv, 3 rows; its first 2 of 3 rows" in some.stdout


def test_build_then_info(small_gemm):
    result = run("build", "gemm", "--samples", 40, "--seed", 1)
    assert result.exit_code == 0, result.output
    assert "40 rows of 8 inputs and 4 targets" in result.stdout
    assert "gemm-samples40-seed1.safetensors" in result.stdout
    assert "gemm: timing 40 configurations, 4 runs each in random order" in result.stderr
    # The set of another size than the default is found, as it is the only one.
    info = run("info", "gemm")
    assert info.exit_code == 0, info.output
    assert "  here        40 rows (seed 1)\n\n40 rows of 8 inputs" in info.stdout
    assert "Correlations of the targets" in info.stdout
    again = run("build", "gemm", "--samples", 40, "--seed", 1)
    assert again.stderr == "gemm: already built and unaltered\n"
    assert "timing" in run("build", "gemm", "--samples", 40, "--seed", 1, "--again").stderr


def test_an_altered_set_is_refused_with_exit_code_1(small_gemm, home):
    run("build", "gemm", "--samples", 40)
    path = home / "gemm-samples40-seed0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    result = run("info", "gemm")
    assert result.exit_code == 1
    assert "gemm-samples40-seed0.safetensors' is not a complete safetensors file" in result.stderr


@pytest.mark.parametrize("name", ["info", "build", "fetch"])
def test_a_wrong_name_is_wrong_usage_and_gets_the_nearest(name):
    result = run(name, "hoper")
    assert result.exit_code == 2
    assert "did you" in result.stderr
    assert "mean 'hopper'?" in " ".join(result.stderr.replace("│", " ").split())


def test_what_cannot_be_done_is_exit_code_1(monkeypatch):
    for arguments, message in (
        (["build", "sgemm"], "'sgemm' cannot be built: download the real files with `deepnrc"),
        (["fetch", "gemm"], "'gemm' has no files that can be downloaded"),
        (["info", "synthetic", "--option", "colour=1"], "colour is not an option of 'synthetic'"),
        (["info", "tabular", "--path", "/nowhere.csv"], "/nowhere.csv is not a file: check"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert f"error: {message}" in result.stderr or message in result.stderr
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "pip install 'deepnrc[gemm]'" in run("build", "gemm").stderr


def test_options_that_are_none():
    result = run("info", "synthetic", "--option", "rank")
    assert result.exit_code == 2
    assert "must be KEY=VALUE; got 'rank'" in result.stderr


def test_a_set_added_by_the_user_is_listed_and_described():
    @register(name="sine", summary="A noisy sine. Short", targets=("height",), options={"k": "K"})
    def sine(samples, seed, k=1.0):
        x = torch.linspace(0, 1, samples)[:, None]
        return x, (k * x).sin()

    try:
        line = run("list").stdout.splitlines()[12]
        assert line.split() == ["sine", "1", "made", "when", "loaded", "A", "noisy", "sine"]
        info = run("info", "sine", "--samples", 30, "--option", "k=2.5")
    finally:
        unregister("sine")
    assert info.exit_code == 0, info.output
    assert "sine: A noisy sine. Short\n" in info.stdout
    assert "  option      k: K\n" in info.stdout
    assert "30 rows of 1 inputs and 1 target" in info.stdout
    assert "made from: sine: A noisy sine. Short (samples 30, seed 0, k 2.5)" in info.stdout


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package with one data set and one that cannot be imported."""
    folder = tmp_path / "site" / "mills-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mills\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(
        "[deepnrc.data_sets]\nwindmill = mills:WINDMILL\nwatermill = mills:GONE\n"
    )
    (folder.parent / "mills.py").write_text(
        "from deepnrc.data import Source\n"
        "WINDMILL = Source(name='windmill', summary='Power of a windmill', read_real=print)\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    yield
    sys.modules.pop("mills", None)


def test_sets_of_an_installed_package_are_listed_and_described(package):
    result = run("list")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if "mill" in line]
    assert lines[0].split() == ["windmill", "any", "–", "Power", "of", "a", "windmill"]
    assert lines[1].split()[:3] == ["watermill", "?", "–"]
    assert "the entry point 'mills:GONE' of mills, which cannot be imported" in lines[1]
    info = run("info", "windmill")
    assert info.exit_code == 0, info.output
    assert info.stdout.startswith("windmill: Power of a windmill\n")
    assert "  real files  deepnrc.data.load('windmill', path=…)\n" in info.stdout
    assert run("info", "watermill").exit_code == 2


def test_a_weak_expert_is_refused_or_stored_under_another_name(monkeypatch, home):
    pytest.importorskip("stable_baselines3")
    from data.sets.imitation.conftest import tiny
    from deepnrc.data.sets.imitation import experts, recipes

    recipe = dataclasses.replace(tiny.__wrapped__(), least_return=10_000.0)
    monkeypatch.setitem(recipes.RECIPES, "hopper", recipe)
    monkeypatch.setattr(experts, "EVALUATION_EPISODES", 2)
    result = run("build", "hopper", "--samples", 5)
    assert result.exit_code == 1
    assert "with `deepnrc data build hopper --weak`" in result.stderr
    result = run("build", "hopper", "--samples", 5, "--weak")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"Written: {home / 'hopper-samples5-seed0-weak.safetensors'}\n")
    assert "5 rows of a weak expert" in run("list").stdout
    assert "5 rows of 11 inputs" in run("info", "hopper", "--option", "weak=true").stdout
