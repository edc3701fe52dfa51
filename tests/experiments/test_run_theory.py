import json

import pytest
import torch
from typer.testing import CliRunner

from deepnrc.cli.app import app
from deepnrc.errors import ArgumentError, DataError
from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.run_theory import run_theory
from deepnrc.theory import ufm_optimum
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.runs.saved_run import load_run

SMALL = ("data.samples=100", "model.width=8", "training.epochs=3", "training.batch_size=80")


def run(out, name, *overrides):
    run_experiment(find_experiment(name, [*SMALL, *overrides]), out)
    return load_run(out)


@pytest.fixture(scope="module")
def penalized(tmp_path_factory):
    out = tmp_path_factory.mktemp("ufm") / "run"
    return out, run(out, "ufm")


def parts(opened):
    """Features, weight, bias-free predictions' error and targets, straight from the model."""
    x, y = opened.data.train.inputs, opened.data.train.targets
    with torch.no_grad():
        features = opened.model.features(x).double()
        weight = opened.model.readout.weight.double()
        error = (opened.model(x).double() - y.double()).square().sum(1).mean()
    return features, weight, float(error), y.double()


def test_with_penalties_the_loss_is_the_trained_one(penalized):
    _, opened = penalized
    found = run_theory(opened)
    H, W, error, Y = parts(opened)
    assert (found.layer, found.epoch, found.implied, found.bias) == ("fc3", 3, "", False)
    assert (found.lambda_h, found.lambda_w) == (0.05, 0.05)
    expected = (error + 0.05 * float(H.square().sum(1).mean()) + 0.05 * float(W.square().sum())) / 2
    assert found.gap.loss == pytest.approx(expected, rel=1e-6)  # the model's own float32
    best = ufm_optimum(Y.T @ Y / len(Y), lambda_h=0.05, lambda_w=0.05)
    assert found.gap.optimum.loss == pytest.approx(best.loss, rel=1e-6)
    assert found.gap.feature_slack > 0
    assert found.gap.head_slack > 0


def test_with_weight_decay_the_features_penalty_is_what_balances(tmp_path):
    opened = run(tmp_path / "run", "linear", "training.weight_decay=0.01")
    found = run_theory(opened)
    H, W, _, _ = parts(opened)
    assert found.lambda_w == 0.01 * 10 / 2
    energy, size = float(H.square().sum(1).mean()), float(W.square().sum())
    assert found.lambda_h * energy == pytest.approx(found.lambda_w * size, rel=1e-6)
    assert found.implied.startswith("weight decay puts no penalty on the features")


def test_a_last_bias_takes_the_targets_mean(tmp_path):
    opened = run(tmp_path / "run", "ufm", "model.bias=true")
    found = run_theory(opened)
    Y = parts(opened)[3]
    assert found.bias
    best = ufm_optimum(torch.cov(Y.T, correction=0), lambda_h=0.05, lambda_w=0.05)
    assert found.gap.optimum.loss == pytest.approx(best.loss, rel=1e-6)


def test_what_has_no_equivalent_is_refused(tmp_path):
    plain = run(tmp_path / "plain", "linear", "training.weight_decay=0")
    with pytest.raises(
        DataError, match=r"neither weight decay nor UFM penalties: without them eve"
    ):
        run_theory(plain)
    decoupled = run(tmp_path / "adamw", "linear", "training.optimizer=adamw", "training.lr=1e-3")
    with pytest.raises(ArgumentError, match=r"adds its weight decay to the gradient; got 'adamw'"):
        run_theory(decoupled)


def test_on_the_command_line(penalized):
    folder, opened = penalized
    shown = CliRunner().invoke(app, ["theory", "run", str(folder)])
    assert shown.exit_code == 0, shown.output
    head = (
        "fc3 at epoch 3 beside the unconstrained feature model, λ_H = 0.05, λ_W = 0.05, c = 0.0025"
    )
    assert shown.output.startswith(head)
    assert "the layer has no bias: the targets' second moment replaces Σ_Y" in shown.output
    for name in ("feature slack", "head slack", "Gram error", "effective c", "error c"):
        assert f"\n{name} " in shown.output
    machine = CliRunner().invoke(app, ["theory", "run", str(folder), "--json"])
    assert json.loads(machine.output)["gap"]["loss"] == run_theory(opened).gap.loss
    missing = CliRunner().invoke(app, ["theory", "run", str(folder / "none")])
    assert missing.exit_code == 1


@pytest.mark.slow
def test_the_recipe_meets_the_prediction(tmp_path):
    """A real network, trained as configured, ends in the theory's W up to rotation."""
    run_experiment(find_experiment("ufm", []), tmp_path / "run")
    found = run_theory(load_run(tmp_path / "run"))
    assert found.gap.relative_gram_error < 0.02
    assert found.gap.head_slack < 1e-4
