"""The Reacher experiment on a small built set: real simulator, real network, few epochs."""

import pytest
import torch

from deepnrc.data import build_reacher, save_reacher
from deepnrc.errors import FileError
from deepnrc.experiments import reacher
from deepnrc.measure import measure
from deepnrc.measurement import load


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("reacher")
    told = []
    made = reacher.run_reacher(
        out, data=build_reacher(200), epochs=2, report=lambda *facts: told.append(facts)
    )
    return made, out, told


def test_the_network_is_the_papers():
    model = reacher.model()
    shapes = [tuple(layer.weight.shape) for layer in model.children()]
    assert shapes == [(512, 10), *[(512, 512)] * 6, (2, 512)]
    assert all(layer.bias is None for layer in model.children())
    assert (reacher.PAPER.epochs, reacher.PAPER.lr, reacher.PAPER.weight_decay) == (
        1000,
        0.05,
        1e-4,
    )
    assert (reacher.PAPER.momentum, reacher.PAPER.batch_size) == (0.9, 128)


def test_run_writes_weights_measurements_and_figure(run):
    made, out, told = run
    assert [path.name for path in made.files] == [
        "model.safetensors",
        "train.json",
        "test.json",
        "reacher.png",
        "reacher.pdf",
    ]
    assert load(out / "train.json") == made.measurement
    assert made.measurement.samples == 160
    assert made.test_measurement.samples == 40
    assert [epoch for epoch, *_ in told] == [1, 2]


def test_saved_weights_measure_the_same(run, monkeypatch, tmp_path):
    from deepnrc.cli.checkpoint import load_weights

    made, out, _ = run
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    parts = reacher.splits(build_reacher(200))
    model = reacher.model()
    load_weights(model, out / "model.safetensors")
    loader = [(parts.train.inputs, parts.train.targets)]
    again = measure(model, loader, progress=False)
    # Other batches, other summation order of the float32 forward pass: 1e-5.
    for layer in made.measurement:
        assert again[layer.name].noise_component == pytest.approx(layer.noise_component, rel=1e-4)
    assert again.model_mse == pytest.approx(made.measurement.model_mse, rel=1e-5)


def test_targets_are_standardised_on_the_training_part(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    save_reacher(build_reacher(1000))
    batches = reacher.train_loader()
    targets = torch.cat([y for _, y in batches])
    assert [len(y) for _, y in batches] == [128] * 6 + [32]
    assert sum(len(y) for _, y in reacher.test_loader()) == 200
    torch.testing.assert_close(targets.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(targets.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)


def test_missing_data_say_how_to_build_them(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    with pytest.raises(FileError, match="deepnrc data build reacher --samples 1000"):
        reacher.train_loader()
