"""gemm: the kernel multiplies, the clock measures, the seed fixes all but the times."""

import itertools
import sys

import numpy as np
import pytest
import torch

from deepnrc.data import build, load, load_raw
from deepnrc.data.facts import data_facts
from deepnrc.data.sets import gemm
from deepnrc.data.sets.gemm_kernel import compile_kernel
from deepnrc.data.source import BuildRequest
from deepnrc.errors import ArgumentError, FileError

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def kernel():
    return compile_kernel()


@pytest.mark.parametrize("shape", [(40, 40, 40), (13, 37, 21), (1, 1, 1), (8, 3, 130)])
def test_every_blocking_gives_the_product(kernel, rng, shape):
    m, n, k = shape
    a = rng.standard_normal((m, k), dtype=np.float32)
    b = rng.standard_normal((k, n), dtype=np.float32)
    expected = a.astype(float) @ b.astype(float)
    tiles = (8, 16, 128)  # as in the grid: below, beside and above the shapes
    for blocking in itertools.product(
        tiles, tiles, tiles, gemm.GRID["unroll"], *([0, 1] for _ in range(4))
    ):
        c = np.zeros((m, n), np.float32)
        kernel(a, b, c, *blocking)
        # float32 sums of at most 130 products of standard normals: about 1e-6 each.
        np.testing.assert_allclose(c, expected, atol=3e-5, rtol=0)


def test_the_kernel_adds_to_what_is_there(kernel):
    c = np.full((2, 2), 5, np.float32)
    kernel(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), c, 8, 8, 8, 1, 0, 0, 0, 0)
    assert c.tolist() == [[7, 7], [7, 7]]


@pytest.fixture
def small(kernel, monkeypatch):
    """Matrices of 48 × 48, and the kernel that is compiled already."""
    monkeypatch.setattr(gemm, "SIZE", 48)
    monkeypatch.setattr(gemm, "compile_kernel", lambda: kernel)


def test_build_and_load(small, home):
    said = []
    build("gemm", samples=30, seed=5, say=said.append)
    assert said[-1] == "gemm: timing 30 configurations, 4 runs each in random order"
    raw = load_raw("gemm", samples=30, seed=5)
    assert raw.inputs.shape == (30, 8)
    assert len(set(map(tuple, raw.inputs.tolist()))) == 30
    for name, column in zip(raw.input_names, raw.inputs.T, strict=True):
        assert set(column.tolist()) <= set(gemm.GRID[name])
    assert raw.targets.shape == (30, 4)
    assert raw.targets.gt(0).all()
    assert raw.target_names == ("run1 (ms)", "run2 (ms)", "run3 (ms)", "run4 (ms)")
    assert raw.provenance["made_from"].endswith(
        "48 × 48 float32 matrix multiplication, 30 of 8000 blockings, 4 runs each, seed 5"
    )
    assert raw.provenance["reproducible"].endswith("the times are measurements")
    assert load("gemm", samples=30, seed=5).train.targets.shape == (24, 4)


def test_the_seed_fixes_the_blockings_and_not_the_times(small, home):
    sets = []
    for _ in range(2):
        build("gemm", samples=30, seed=5, again=True)
        sets.append(load_raw("gemm", samples=30, seed=5))
    build("gemm", samples=30, seed=6)
    assert torch.equal(sets[0].inputs, sets[1].inputs)
    assert not torch.equal(sets[0].targets, sets[1].targets)
    assert not torch.equal(sets[0].inputs, load_raw("gemm", samples=30, seed=6).inputs)


def test_each_run_has_an_order_of_its_own_and_starts_from_zero(rng):
    seen = []

    def kernel(a, b, c, *blocking):
        seen.append((blocking, bool(c.any())))
        c.fill(1.0)

    configurations = np.arange(6 * 8).reshape(6, 8)
    times = gemm.measure_run_times(kernel, configurations, rng)
    assert times.shape == (6, 4)
    timed = seen[1:]  # the first call compiles
    assert not any(filled for _, filled in timed)
    runs = [tuple(blocking for blocking, _ in timed[6 * i : 6 * i + 6]) for i in range(4)]
    assert all(sorted(run) == list(map(tuple, configurations.tolist())) for run in runs)
    assert len(set(runs)) == 4


def test_times_belong_to_their_configuration(rng):
    def kernel(a, b, c, load, *_):
        total = 0
        for i in range(load):
            total += i

    configurations = np.array([[loops, *[0] * 7] for loops in (200_000, 10, 100_000)])
    times = gemm.measure_run_times(kernel, configurations, rng)
    # 20,000 times and twice the work; processor time of the thread sees no other process.
    assert (times[0] > times[1] * 10).all()
    assert np.median(times[0]) > np.median(times[2])
    assert 0.1 < np.median(times[0]) < 1000  # milliseconds


def test_measured_on_this_machine_four_runs_have_about_one_direction(kernel, home, monkeypatch):
    monkeypatch.setattr(gemm, "compile_kernel", lambda: kernel)  # the same, compiled already
    gemm.build_gemm(home / "x", BuildRequest(150))
    facts = data_facts(gemm.read_gemm(home / "x"))
    # .96 was measured on a busy machine with 5000; far above the .25 of unrelated runs.
    assert facts.standardized_spectrum[0] / 4 > 0.6


def test_more_rows_than_the_grid_has(home):
    with pytest.raises(
        ArgumentError, match=r"samples must be at most 8000, .* in the grid; got 8001"
    ):
        build("gemm", samples=8001)


def test_without_numba(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ArgumentError, match=r"needs numba, .* `pip install 'deepnrc\[gemm\]'`"):
        build("gemm", samples=5)
    assert not list(home.glob("gemm*"))


def test_an_altered_file(small, home):
    path = build("gemm", samples=5)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FileError, match=r"`deepnrc data build gemm"):
        load_raw("gemm", samples=5)
