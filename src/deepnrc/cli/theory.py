"""``deepnrc theory``: what the unconstrained feature model says, before anything is trained."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.records import plain

__all__ = ["app"]

app = typer.Typer(
    help="Optima of the unconstrained feature model, in closed form.", no_args_is_help=True
)

Covariance = Annotated[
    str,
    typer.Option(
        metavar="MATRIX|FILE",
        help="Σ_Y, as '2,.6;.6,1' (rows apart by semicolons), or a .csv, .txt or .npy file.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]


@app.callback()
def _group() -> None:
    """Optima of the unconstrained feature model, in closed form."""


@app.command()
@command
def ufm(
    covariance: Covariance,
    lambda_h: Annotated[float, typer.Option(help="λ_H of (λ_H/2N)‖H‖².")],
    lambda_w: Annotated[float, typer.Option(help="λ_W of (λ_W/2)‖W‖²; `penalties` converts.")],
    mean: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Mean of the targets, as '1,2'.")
    ] = None,
    bias: Annotated[bool, typer.Option(help="Whether the last layer has a bias.")] = True,
    as_json: Json = False,
) -> None:
    """The last layer at the end of training: W Wᵀ, rank, loss, error, angles."""
    from deepnrc.report.theory_text import ufm_text  # noqa: PLC0415  - torch takes seconds
    from deepnrc.theory import ufm_optimum  # noqa: PLC0415

    best = ufm_optimum(
        _matrix(covariance),
        lambda_h=lambda_h,
        lambda_w=lambda_w,
        target_mean=None if mean is None else _numbers(mean, "--mean"),
        bias=bias,
    )
    print(_as_json(best) if as_json else ufm_text(best))


@app.command()
@command
def deep(
    covariance: Covariance,
    lambdas: Annotated[str, typer.Option(metavar="NUMBERS", help="Of W_1 to W_L, as '.1,.1'.")],
    lambda_h: Annotated[float, typer.Option(help="λ_H of (λ_H/2N)‖H‖².")],
    as_json: Json = False,
) -> None:
    """All layers of a deep linear network: directions kept, features and CKA by depth."""
    from deepnrc.report.theory_text import deep_ufm_text  # noqa: PLC0415
    from deepnrc.theory import deep_ufm_optimum  # noqa: PLC0415

    found = deep_ufm_optimum(
        _matrix(covariance), lambdas=_numbers(lambdas, "--lambdas"), lambda_h=lambda_h
    )
    print(_as_json(found) if as_json else deep_ufm_text(found))


@app.command()
@command
def preprocess(
    dataset: Annotated[str, typer.Argument(help="Name of `deepnrc data list`.")],
    c: Annotated[float | None, typer.Option(help="λ_H·λ_W, the same for all choices.")] = None,
    lambda_h: Annotated[float | None, typer.Option(help="λ_H, in place of --c.")] = None,
    lambda_w: Annotated[float | None, typer.Option(help="λ_W, in place of --c.")] = None,
    path: Annotated[Path | None, typer.Option(help="Real file or folder of the set.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Rows of a built set.")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Target column of a table; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether to standardize or whiten a set's targets, and what one network for all gains."""
    from deepnrc.data import load  # noqa: PLC0415
    from deepnrc.report.theory_text import preprocessing_text  # noqa: PLC0415
    from deepnrc.theory import (  # noqa: PLC0415
        preprocessing_errors,
        target_moments,
        task_errors,
    )

    level = _level(c, lambda_h, lambda_w)
    options: dict[str, Any] = {"targets": target} if target else {}
    data = load(dataset, path, standardize=False, samples=samples, **options)
    _, covariance = target_moments(data.train.targets)
    found = preprocessing_errors(covariance, c=level)
    tasks = task_errors(covariance, c=level)
    if as_json:
        both = {"preprocessing": plain(found), "tasks": plain(tasks)}
        print(json.dumps({"targets": list(data.target_names), **both}, ensure_ascii=False))
        return
    heading = f"{dataset}: {len(data.train.targets)} training rows, {data.provenance['made_from']}"
    print(preprocessing_text(found, tasks, data.target_names, heading=heading))


@app.command()
@command
def penalties(
    targets: Annotated[int, typer.Option(min=1, help="Number of targets, t.")],
    weight_decay: Annotated[
        float | None, typer.Option(help="The optimiser's, for the last weight.")
    ] = None,
    weight_penalty: Annotated[float | None, typer.Option(help="λ of λ‖W‖² in the loss.")] = None,
    feature_penalty: Annotated[
        float | None, typer.Option(help="λ of λ·mean‖h‖² in the loss.")
    ] = None,
    loss: Annotated[str, typer.Option(help="mse or half_mse.")] = "mse",
    reduction: Annotated[str, typer.Option(help="mean, sample_mean or sum.")] = "mean",
    optimizer: Annotated[str, typer.Option(help="As in torch.optim.")] = "SGD",
    batch_size: Annotated[int | None, typer.Option(min=1, help="For reduction sum.")] = None,
) -> None:
    """From a training script's numbers to the theory's λ_H and λ_W."""
    from deepnrc.report.theory_text import penalties_text  # noqa: PLC0415
    from deepnrc.theory import Convention  # noqa: PLC0415

    convention = Convention(
        target_dim=targets,
        loss=loss,
        reduction=reduction,
        optimizer=optimizer,
        batch_size=batch_size,
    )
    found = convention.to_ufm(
        weight_decay=weight_decay, weight_penalty=weight_penalty, feature_penalty=feature_penalty
    )
    print(penalties_text(convention, found))


@app.command()
@command
def run(
    folder: Annotated[Path, typer.Argument(help="Of a run that `deepnrc train` wrote.")],
    epoch: Annotated[int | None, typer.Option(help="One that was measured; the last.")] = None,
    as_json: Json = False,
) -> None:
    """A trained run's last layer beside the optimum for its targets and penalties."""
    from deepnrc.experiments.run_theory import run_theory  # noqa: PLC0415
    from deepnrc.report.theory_text import run_theory_text  # noqa: PLC0415
    from deepnrc.training.runs.saved_run import open_run  # noqa: PLC0415

    found = run_theory(open_run(folder, epoch))
    print(_as_json(found) if as_json else run_theory_text(found))


def _level(c: float | None, lambda_h: float | None, lambda_w: float | None) -> float:
    if (c is None) == (lambda_h is None and lambda_w is None):
        raise ArgumentError("give --c, or --lambda-h and --lambda-w, not both and not neither")
    if c is not None:
        return c
    if lambda_h is None or lambda_w is None:
        missing = "--lambda-h" if lambda_h is None else "--lambda-w"
        raise ArgumentError(f"{missing} is missing: c is the product of both penalties")
    return lambda_h * lambda_w


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ArgumentError(f"{name} must be numbers as '1,2', got {text!r}") from None


def _matrix(text: str) -> Any:
    """Rows of numbers, from the text itself or from the file it names."""
    path = Path(text).expanduser()
    if path.suffix not in (".csv", ".txt", ".npy"):
        return _rows(text.split(";"), "--covariance")
    if not path.is_file():
        raise FileError(f"--covariance: there is no file '{path}'")
    try:
        if path.suffix == ".npy":
            import numpy as np  # noqa: PLC0415

            return np.load(path, allow_pickle=False)
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise FileError(f"--covariance: cannot read '{path}': {error}") from error
    return _rows(lines, f"--covariance '{path}'")


def _rows(lines: list[str], name: str) -> list[list[float]]:
    rows = [_numbers(line, name) for line in lines]
    if len({len(row) for row in rows}) > 1 or not rows or not rows[0]:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise ArgumentError(
            f"{name} must have rows of one length, as '2,.6;.6,1', got rows of {lengths or 'none'}"
        )
    return rows


def _as_json(record: Any) -> str:
    return json.dumps(plain(record), ensure_ascii=False)
