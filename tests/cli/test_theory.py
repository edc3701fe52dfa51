"""`deepnrc theory`, called as a program calls it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from deepnrc.cli.app import app

SIGMA = "2,.6;.6,1"


def run(*arguments: object):
    return CliRunner().invoke(app, ["theory", *map(str, arguments)])


def ufm(covariance, lambda_h, lambda_w, *more):
    return run(
        "ufm", "--covariance", covariance, "--lambda-h", lambda_h, "--lambda-w", lambda_w, *more
    )


def test_ufm_prints_the_check_values():
    result = ufm(SIGMA, 0.02, 0.05)
    assert result.exit_code == 0
    assert (
        result.output
        == """\
Unconstrained feature model, 2 targets, c = λ_H·λ_W = 0.001: full rank
c is below s_2 = 0.719: every direction is learned

loss L*         0.07357378692
training error          0.002  summed over targets; MSELoss 0.001
R²               0.9993333333
‖H‖²/N            3.628689346  mean squared length of the features

direction  variance s  left unfitted  eigenvalue of WWᵀ
───────────────────────────────────────────────────────
1               2.281          0.001             0.9352
2               0.719          0.001             0.5163

W Wᵀ
  0.859833  0.160914
  0.160914  0.591642

angles between the rows of W, degrees
   0.00  76.96
  76.96   0.00
"""
    )


@pytest.mark.parametrize(
    ("penalties", "lines"),
    [
        ((0.8, 1.2), ["c is between the eigenvalues: 1 of 2 directions are learned"]),
        (
            (3, 1),
            ["c is not below s_1 = 2.281: nothing is learned, W = 0", "–: a row of W that is"],
        ),
        (
            (0, 0),
            ["c = 0: every W of full rank fits, nothing collapses", "–: both penalties are 0"],
        ),
    ],
)
def test_ufm_names_the_regime(penalties, lines):
    result = ufm(SIGMA, *penalties)
    assert result.exit_code == 0
    for line in lines:
        assert f"\n{line}" in result.output


def test_ufm_as_json():
    found = json.loads(ufm(SIGMA, 0.8, 1.2, "--json").output)
    assert found["regime"] == "low rank"
    assert found["mse"] == pytest.approx(1.678975032, abs=5e-10)
    assert np.shape(found["gram"]) == (2, 2)
    nothing = json.loads(ufm("1", "inf", 1, "--json").output)
    assert nothing["c"] == "inf"
    assert nothing["row_angles"] == [[None]]


def test_ufm_without_a_bias_fits_the_mean():
    found = json.loads(ufm("1", 0.1, 0.1, "--mean", "2", "--no-bias", "--json").output)
    assert found["eigenvalues"] == [5.0]
    result = ufm("1", 0.1, 0.1, "--no-bias")
    assert result.exit_code == 1
    assert "error: target_mean must be given with --no-bias" in result.stderr


def test_covariance_from_files(tmp_path):
    expected = ufm(SIGMA, 0.02, 0.05).output
    (tmp_path / "a.csv").write_text("2,0.6\n0.6,1\n\n")
    (tmp_path / "a.txt").write_text("2 .6\n.6 1\n")
    np.save(tmp_path / "a.npy", np.array([[2, 0.6], [0.6, 1]]))
    for name in ("a.csv", "a.txt", "a.npy"):
        assert ufm(tmp_path / name, 0.02, 0.05).output == expected


def test_covariance_that_cannot_be_read(tmp_path):
    result = ufm(tmp_path / "none.csv", 0.1, 0.1)
    assert result.exit_code == 1
    assert f"error: --covariance: cannot read '{tmp_path / 'none.csv'}': [Errno 2]" in result.stderr
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{"a": 1}]), allow_pickle=True)
    result = ufm(objects, 0.1, 0.1)
    assert result.exit_code == 1
    assert "its array must hold numbers; got pickled objects, which can run any" in result.stderr
    huge = objects.read_bytes()[:10] + b"{'descr': '<f8', 'fortran_order': False, "
    huge += b"'shape': (1000000, 1000000)}"
    objects.write_bytes(huge.ljust(127) + b"\n")
    result = ufm(objects, 0.1, 0.1)
    assert "its array claims 8,000,000,000,000 bytes; at most" in result.stderr
    (tmp_path / "bad.csv").write_text("a,b\n")
    result = ufm(tmp_path / "bad.csv", 0.1, 0.1)
    assert result.stderr.startswith("error: --covariance '")
    assert "bad.csv' must be numbers, as '1,2'; could not convert string to float: 'a'" in (
        result.stderr
    )


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (
            "2,.6;.6",
            "--covariance must have numbers in rows of one length, as '2,.6;.6,1'; got rows of 2,",
        ),
        ("", "got rows of 0"),
        ("1,x", "--covariance must be numbers, as '1,2'; could not convert string to float: 'x'"),
        ("1,2;3,1", "target_covariance must be symmetric; got 2 at (0, 1) and 3 at (1, 0)"),
        ("1,2;2,1", "got a matrix with the eigenvalue -1"),
    ],
)
def test_covariance_that_is_none(covariance, message):
    result = ufm(covariance, 0.1, 0.1)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_negative_penalty_is_an_error_of_the_run():
    result = ufm(SIGMA, -1, 1)
    assert result.exit_code == 1
    assert "error: lambda_h must be 0 or positive; got -1" in result.stderr


def test_deep_prints_cka_by_depth():
    result = run(
        "deep", "--covariance", "2,0,0;0,.6,0;0,0,.25", "--lambdas", ".05,.02,.04",
        "--lambda-h", ".03",
    )  # fmt: skip
    assert result.exit_code == 0
    for line in (
        "Deep linear unconstrained feature model, 3 targets, 3 weights: 3 of 3 directions",
        "input of W_1    0.900411",
        "input of W_2    0.968749",
        "input of W_3    0.995690",
        "predictions     0.999706",
    ):
        assert line in result.output


def test_deep_thresholds_and_json():
    arguments = ["--lambdas", ".1,.1", "--lambda-h", ".1"]
    result = run("deep", "--covariance", "1,0;0,.1", *arguments)
    assert "a direction is learned when √s exceeds s* = 0.355655882" in result.output
    assert "1 of 2 directions are learned" in result.output
    found = json.loads(run("deep", "--covariance", "1", *arguments, "--json").output)
    assert found["singular_values"] == [pytest.approx(0.896282586, abs=5e-10)]
    result = run("deep", "--covariance", "0", *arguments)
    assert "–: the targets are constant" in result.output


def test_check_prints_both_sides_and_a_verdict():
    result = run(
        "check", "--covariance", SIGMA, "--lambda-h", ".02", "--lambda-w", ".05", "--seeds", 2
    )
    assert result.exit_code == 0
    head, loss, gram, rank = result.output.splitlines()[:1] + result.output.splitlines()[2:5]
    assert head.split() == ["closed", "form", "solver", "difference", "limit"]
    name, mark, closed, solver, difference, limit = loss.split()
    assert (name, mark, closed, solver, limit) == (
        "loss", "L*", "0.07357378692", "0.07357378692", "1e-09"
    )  # fmt: skip
    assert float(difference) < 1e-12
    assert gram.split()[-1] == "1e-06"
    assert rank.split() == ["rank", "2", "2"]
    for line in (
        "W Wᵀ in closed form\n  0.859833  0.160914\n  0.160914  0.591642\nW Wᵀ of the solver\n",
        "seed 0: 0.07357378692, converged\nseed 1: 0.07357378692, converged\n",
        "\nThe solver agrees with the closed form.\n",
    ):
        assert line in result.output


def test_check_of_the_deep_model_as_json():
    result = run(
        "check", "--covariance", "1,0;0,.1", "--lambdas", ".1,.1", "--lambda-h", ".1",
        "--seeds", 1, "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert (found["agrees"], found["rank"], found["solver_rank"]) == (True, 1, 1)
    assert found["solver_statuses"] == ["converged"]


def test_check_of_a_model_without_bias():
    result = run(
        "check", "--covariance", "1", "--lambda-h", ".1", "--lambda-w", ".1", "--seeds", 1,
        "--mean", "2", "--no-bias", "--json",
    )  # fmt: skip
    assert json.loads(result.output)["loss"] == pytest.approx(0.1 * 5**0.5 - 0.005)


def test_check_fails_where_they_differ(monkeypatch):
    from deepnrc.theory import check, ufm_optimum

    monkeypatch.setattr(
        check, "ufm_optimum", lambda *args, **kwargs: ufm_optimum(*args, **kwargs | {"bias": False})
    )
    arguments = ("--lambda-h", ".1", "--lambda-w", ".1", "--mean", "2", "--seeds", 1)
    result = run("check", "--covariance", "1", *arguments)
    assert result.exit_code == 1
    assert "The solver DOES NOT AGREE with the closed form." in result.output
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --lambda-w, as for `ufm`, or --lambdas, as for `deep`"),
        (["--lambda-w", "1", "--lambdas", "1"], "give either --lambda-w"),
        (["--lambdas", "1", "--mean", "1"], "--mean and --no-bias go with --lambda-w, not with"),
        (["--lambdas", "1", "--no-bias"], "--mean and --no-bias go with --lambda-w, not with"),
        (["--lambdas", "1,x"], "--lambdas must be numbers, as '1,2'; could not convert"),
        (["--lambdas", "1;2"], "--lambdas must be numbers, as '1,2'; could not convert"),
        (["--lambda-w", "0"], "lambda_h and lambda_w must both be positive or both be 0; got 1"),
        (["--lambda-w", "1", "--mean", "1,2"], "target_mean must have 1 entries; got 2"),
    ],
)
def test_check_refuses(arguments, message):
    result = run("check", "--covariance", "1", "--lambda-h", "1", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert run("check", "--covariance", "1", "--lambda-h", "1", "--seeds", 0).exit_code == 2


def test_preprocess_reads_a_data_set():
    result = run("preprocess", "synthetic", "--c", ".01", "--samples", "200")
    assert result.exit_code == 0
    first, *_ = result.output.splitlines()
    assert first.startswith("synthetic: 160 training rows, synthetic: ")
    for name in ("raw", "standardized", "whitened", "one network each"):
        assert f"\n{name}" in result.output
    assert "At c = 0.01, of a total variance of " in result.output


def test_preprocess_of_a_table_by_json(tmp_path):
    table = tmp_path / "table.csv"
    rows = np.random.default_rng(0).standard_normal((50, 3))
    np.savetxt(table, rows, delimiter=",", header="a,b,c", comments="")
    result = run(
        "preprocess", "tabular", "--path", table, "--target", "b", "--target", "c",
        "--lambda-h", ".1", "--lambda-w", ".2", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.output)
    assert found["targets"] == ["b", "c"]
    assert found["preprocessing"]["c"] == pytest.approx(0.02)
    assert found["tasks"]["multi"] == pytest.approx(0.04)  # c is below both eigenvalues


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --c, or --lambda-h and --lambda-w"),
        (["--c", "1", "--lambda-h", "1"], "give either --c, or"),
        (["--lambda-h", "1"], "--lambda-w must be given too: c is the product of both penalties"),
        (["--lambda-w", "1"], "--lambda-h must be given too"),
    ],
)
def test_preprocess_wants_one_c(arguments, message):
    result = run("preprocess", "synthetic", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr


def test_penalties():
    result = run("penalties", "--targets", 4, "--weight-decay", ".01", "--feature-penalty", ".03")
    assert result.output == (
        "mse loss, reduction mean, SGD, t = 4: objective × 2 is the theory's\n"
        "λ_W = 0.02\nλ_H = 0.12\nc   = 0.0024\n"
    )
    result = run("penalties", "--targets", 2, "--weight-decay", ".005")
    assert "λ_H = unknown: no penalty on the features was given\n" in result.output
    result = run("penalties", "--targets", 2, "--weight-decay", ".005", "--optimizer", "AdamW")
    assert result.exit_code == 1
    assert "adds its weight decay to the gradient; got 'AdamW'" in result.stderr


def test_figures_is_no_command_any_more():
    assert run("figures").exit_code == 2
