import subprocess
import sys

import pytest
import torch

from deepnrc.data import (
    RawData,
    Source,
    dataset_names,
    find_source,
    load,
    load_raw,
    register,
    unregister,
)
from deepnrc.data.source import Download
from deepnrc.errors import ArgumentError

BUILT_IN = (
    *("swimmer", "reacher", "hopper", "sgemm", "gemm", "carla2d", "carla1d", "carracing"),
    *("utkface", "synthetic", "tabular"),
)
WINDMILL = """
import torch
from deepnrc.data import RawData, Source

def read(path, *, unit="kW"):
    lines = path.read_text().splitlines()
    rows = torch.tensor([[float(cell) for cell in line.split()] for line in lines])
    facts = {"data": "windmill", "made_from": f"{path.name}, {unit}"}
    return RawData(rows[:, :1], rows[:, 1:], ("wind",), ("power",), facts)

WINDMILL = Source(name="windmill", summary="Power of a windmill", targets=("power",),
                  read_real=read, options={"unit": "of the power"})
NOT_A_SOURCE = 3
"""


@pytest.fixture
def added():
    """Names to remove again."""
    names = ["sine"]
    yield names
    for name in names:
        unregister(name)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that offers data sets, with the lines of its entry points."""

    def install(*lines):
        folder = tmp_path / "site"
        (folder / "windmills-1.0.dist-info").mkdir(parents=True)
        (folder / "windmills.py").write_text(WINDMILL)
        (folder / "windmills-1.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: windmills\nVersion: 1.0\n"
        )
        (folder / "windmills-1.0.dist-info" / "entry_points.txt").write_text(
            "[deepnrc.data_sets]\n" + "\n".join(lines) + "\n"
        )
        monkeypatch.syspath_prepend(folder)

    yield install
    sys.modules.pop("windmills", None)


def test_built_in_names_are_those_of_the_papers_and_two_for_your_own():
    assert dataset_names() == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_source_can_be_reached_and_says_what_it_is(name):
    source = find_source(name)
    assert source.name == name
    assert source.summary
    assert "not stated" not in (source.origin, source.licence)
    assert all(item.url.startswith("https://") for item in source.downloads)


def test_built_in_sets_are_imported_when_they_are_needed():
    code = (
        "import sys, deepnrc; deepnrc.data.dataset_names(); "
        "print(*sorted(name for name in sys.modules if name.startswith('deepnrc.data.sets.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ("gaussian", "synthetic", "torch_dataset")  # public functions of deepnrc.data
    assert done.stdout.split() == [f"deepnrc.data.sets.{name}" for name in loaded]


def test_the_papers_sizes():
    dimensions = {name: len(find_source(name).targets) for name in BUILT_IN}
    assert dimensions == {
        **{"swimmer": 2, "reacher": 2, "hopper": 3, "sgemm": 4, "gemm": 4, "carla2d": 2},
        **{"carla1d": 1, "carracing": 2, "utkface": 1, "synthetic": 0, "tabular": 0},
    }
    assert find_source("hopper").default_samples == 5000


@pytest.mark.parametrize(
    ("name", "hint"), [("hoper", "did you mean 'hopper'? "), ("UTKFace", "did you mean 'utkface'?")]
)
def test_a_wrong_name_gets_the_nearest(name, hint):
    with pytest.raises(ArgumentError) as caught:
        find_source(name)
    assert f"there is no data set '{name}': {hint}" in str(caught.value)
    assert "There are swimmer, reacher, hopper, sgemm, gemm, carla2d" in str(caught.value)


def test_a_name_like_no_other_gets_no_hint():
    with pytest.raises(ArgumentError, match="no data set 'qqq': There are swimmer"):
        find_source("qqq")


def test_a_function_that_makes_pairs(added):
    @register(
        name="sine", summary="A sine", targets=("height",), options={"shift": "added to the inputs"}
    )
    def sine(samples, seed, shift=0.0):
        x = torch.rand(samples, 2, generator=torch.Generator().manual_seed(seed)) + shift
        return x, x[:, :1].sin()

    assert sine(3, 0)[0].shape == (3, 2)  # still the function
    assert dataset_names()[-1] == "sine"
    raw = load_raw("sine", samples=7, seed=4, shift=1.0)
    assert torch.equal(raw.targets, raw.inputs[:, :1].sin())
    assert raw.inputs.min() >= 1
    assert (raw.input_names, raw.target_names) == (("x0", "x1"), ("height",))
    assert raw.provenance == {
        "data": "sine",
        "made_from": "sine: A sine (samples 7, seed 4, shift 1.0)",
    }
    assert len(load("sine").train.inputs) == 800  # of 1000, the default
    with pytest.raises(ArgumentError, match="slope is not an option of 'sine'; its options: shift"):
        load("sine", slope=1)


def test_a_function_that_makes_raw_data_is_taken_as_it_is(added):
    raw = RawData(torch.ones(4, 1), torch.ones(4, 2), ("a",), ("b", "c"), {"data": "sine"})
    register(name="sine", summary="Ones")(lambda samples, seed: raw)
    assert load_raw("sine") is raw


def test_a_source_from_python(added, tmp_path):
    rows = torch.arange(10.0)[:, None]

    def read(path):
        facts = {"data": "sine", "made_from": path.name}
        return RawData(rows, rows, ("x",), ("y",), facts)

    source = Source(name="sine", summary="From a file", read_real=read)
    assert register(source) is source
    assert find_source("sine") is source
    (tmp_path / "table").touch()
    data = load("sine", tmp_path / "table", standardize=False)
    assert torch.equal(torch.cat([data.train.inputs, data.test.inputs]).sort(dim=0).values, rows)
    unregister("sine")
    assert "sine" not in dataset_names()


def test_a_name_that_is_taken(added):
    register(name="sine", summary="A sine")(lambda samples, seed: None)
    for name in ("sine", "hopper"):
        with pytest.raises(ArgumentError, match=f"there is a data set '{name}' already"):
            register(name=name, summary="Another")(lambda samples, seed: None)


def test_a_set_offered_by_an_installed_package(package, tmp_path):
    package("windmill = windmills:WINDMILL")
    assert dataset_names() == (*BUILT_IN, "windmill")
    assert "windmills" not in sys.modules  # not imported for its name
    path = tmp_path / "power.txt"
    path.write_text("".join(f"{wind} {wind**3}\n" for wind in range(20)))
    data = load("windmill", path, unit="MW", standardize=False)
    assert torch.equal(data.train.inputs**3, data.train.targets)
    assert data.target_names == ("power",)
    assert data.provenance["made_from"] == "power.txt, MW"
    assert list(data.provenance["files"]) == ["power.txt"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mill = windmills:WINDMILL", "entry point 'mill' of deepnrc.data_sets must offer a data "
                                      "set of this name; got 'windmill': rename one"),
        ("mill = windmills:GONE", "offered by the entry point 'windmills:GONE' of windmills, which "
                                  "cannot be imported"),
        ("mill = windmills:NOT_A_SOURCE", "expected a Source, got int"),
    ],
)  # fmt: skip
def test_a_package_that_offers_something_else(package, line, message):
    package(line)
    with pytest.raises(ArgumentError, match=message):
        find_source("mill")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "data set 'sine' must have at least one of read_real, build and make"),
        ({"build": print}, "data set 'sine' must have both build and read_built"),
        ({"make": print, "name": "../sine"}, r"name must consist of letters, .*; got '\.\./sine'"),
        ({"make": print, "downloads": (Download("https://x", "x", None),)}, "must have read_real"),
    ],
)
def test_sources_that_are_not_valid(fields, message):
    with pytest.raises(ArgumentError, match=message):
        Source(**{"name": "sine", "summary": "A sine", **fields})
