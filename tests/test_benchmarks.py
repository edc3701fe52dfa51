"""The benchmarks run, and their dense baseline computes what `measure` does."""

import importlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.cases import Case, floor, mlp, mlp_batches
from benchmarks.dense import dense_twin
from benchmarks.profile import print_profile

from deepnrc import measure

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_imported(module):
    importlib.import_module(f"benchmarks.{module}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "benchmarks --quick --threads 1 --rounds 1 --only '256 init, batch'",
        "benchmarks.training --rounds 1 --hopper-epochs 2",
        "benchmarks.evidence --rounds 1",
        "benchmarks.ensemble --members 2 --samples 256 --rounds 1 --threads 1",
        # benchmarks.images is run by tests/data/access/test_images_memory.py
    ],
)
def test_every_command_prints_its_table(command):
    command = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch" in done.stdout.splitlines()[0]
    assert len(done.stdout.splitlines()) > 3


def test_the_profile_names_the_parts_of_a_measurement(capsys):
    print_profile(Case("small", mlp(64), mlp_batches(1000, 500), 1000, 2.0))
    shown = capsys.readouterr().out
    for part in ("accumulators", "evaluation (eigenvalues, ranks)", "gram and side products"):
        assert part in shown


def test_the_dense_baseline_computes_the_same_values():
    model, batches = mlp(256), mlp_batches(400, 150)
    measurement = measure(model, batches, rcond=1e-3, progress=False)
    # float32 features on both sides; where t fills the width (fc8 has none) nothing is left out.
    for record, dense in zip(measurement, dense_twin(model, batches), strict=True):
        noise, cka, aligned, error = dense
        assert record.noise_component == pytest.approx(noise, rel=1e-6)
        assert record.signal_target_cka == pytest.approx(cka, rel=1e-6)
        assert record.feature_weight_alignment == pytest.approx(aligned, rel=1e-5)
        assert record.linear_prediction_mse == pytest.approx(error, rel=1e-5, abs=1e-9)


def test_the_floor_counts_the_operations_of_eight_square_layers():
    """Half a Gram matrix per layer input, (1 + ½) of a square layer, and the narrow ends."""
    d, ends = 256, 20 * 256 + 256 * 4
    forward, grams = 2 * (6 * d * d + ends), 20**2 + 7 * d * d
    batch = mlp_batches(2000, 2000)[0][0]
    # A few units of a random network are dead on 2000 samples.
    assert floor(mlp(d), batch) == pytest.approx((forward + grams) / forward, rel=0.02)
