"""``deepnrc theory``: the optima of the unconstrained feature model, and checks of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.records import plain

__all__ = ["app"]

app = typer.Typer(
    help="The unconstrained feature model: optima in closed form, and solvers that check them.",
    no_args_is_help=True,
)

Covariance = Annotated[
    str,
    typer.Option(
        metavar="MATRIX|FILE",
        help="Σ_Y, as '2,.6;.6,1' (rows apart by semicolons), or a .csv, .txt or .npy file.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
LambdaH = Annotated[float, typer.Option(help="λ_H of (λ_H/2N)‖H‖².")]
Mean = Annotated[str | None, typer.Option(metavar="NUMBERS", help="Targets' mean, as '1,2'.")]
Bias = Annotated[bool, typer.Option(help="Whether the last layer has a bias.")]


@app.callback()
def _group() -> None:
    """The unconstrained feature model: optima in closed form, and solvers that check them."""


@app.command()
@command
def ufm(
    covariance: Covariance,
    lambda_h: LambdaH,
    lambda_w: Annotated[float, typer.Option(help="λ_W of (λ_W/2)‖W‖²; `penalties` converts.")],
    mean: Mean = None,
    bias: Bias = True,
    as_json: Json = False,
) -> None:
    """The last layer at the end of training: W Wᵀ, rank, loss, error, angles."""
    from deepnrc.theory import ufm_optimum  # noqa: PLC0415  - torch takes seconds

    best = ufm_optimum(
        _matrix(covariance),
        lambda_h=lambda_h,
        lambda_w=lambda_w,
        target_mean=None if mean is None else _numbers(mean, "--mean"),
        bias=bias,
    )
    _show(best, as_json)


@app.command()
@command
def deep(
    covariance: Covariance,
    lambdas: Annotated[str, typer.Option(metavar="NUMBERS", help="Of W_1 to W_L, as '.1,.1'.")],
    lambda_h: LambdaH,
    as_json: Json = False,
) -> None:
    """All layers of a deep linear network: directions kept, features and CKA by depth."""
    from deepnrc.theory import deep_ufm_optimum  # noqa: PLC0415

    values = _numbers(lambdas, "--lambdas")
    _show(deep_ufm_optimum(_matrix(covariance), lambdas=values, lambda_h=lambda_h), as_json)


@app.command()
@command
def check(
    covariance: Covariance,
    lambda_h: LambdaH,
    lambda_w: Annotated[float | None, typer.Option(help="λ_W, to check `theory ufm`.")] = None,
    lambdas: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="λ_1 to λ_L, to check `theory deep`.")
    ] = None,
    mean: Mean = None,
    bias: Bias = True,
    seeds: Annotated[int, typer.Option(min=1, help="Random starts of the solver.")] = 5,
    as_json: Json = False,
) -> None:
    """Compare the closed form with a numerical minimum; exit code 1 if they disagree.

    The solver minimizes the objective itself. Limits: losses 1e-9 of L*, W Wᵀ 1e-6 of L*/λ.
    """
    from deepnrc.theory.check import check_deep_ufm, check_ufm  # noqa: PLC0415

    if lambda_w is not None and lambdas is None:
        found = check_ufm(
            _matrix(covariance),
            lambda_h=lambda_h,
            lambda_w=lambda_w,
            target_mean=None if mean is None else _numbers(mean, "--mean"),
            bias=bias,
            seeds=seeds,
        )
    elif lambdas is not None and lambda_w is None:
        if mean is not None or not bias:
            raise ArgumentError("--mean and --no-bias go with --lambda-w, not with --lambdas")
        values = _numbers(lambdas, "--lambdas")
        found = check_deep_ufm(_matrix(covariance), lambdas=values, lambda_h=lambda_h, seeds=seeds)
    else:
        raise ArgumentError("give either --lambda-w, as for `ufm`, or --lambdas, as for `deep`")
    _show(found, as_json)
    if not found.agrees:
        raise typer.Exit(1)


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
    from deepnrc.theory import (  # noqa: PLC0415
        preprocessing_errors,
        target_moments,
        target_rounding,
        task_errors,
    )

    level = _level(c, lambda_h, lambda_w)
    options: dict[str, Any] = {"targets": target} if target else {}
    data = load(dataset, path, standardize=False, samples=samples, **options)
    _, covariance = target_moments(data.train.targets)
    found = preprocessing_errors(covariance, c=level, floor=target_rounding(data.train.targets))
    tasks = task_errors(covariance, c=level)
    if as_json:
        names = list(data.target_names)
        _show({"targets": names, "preprocessing": found, "tasks": tasks}, as_json)
        return
    print(f"{dataset}: {len(data.train.targets)} training rows, {data.provenance['made_from']}")
    print(found.text(data.target_names, tasks))


@app.command()
@command
def penalties(
    targets: Annotated[int, typer.Option(min=1, help="Number of targets, t.")],
    weight_decay: Annotated[
        float | None, typer.Option(help="The optimizer's, for the last weight.")
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
    from deepnrc.theory import Convention  # noqa: PLC0415

    convention = Convention(targets, loss, reduction, optimizer, batch_size)
    found = convention.to_ufm(
        weight_decay=weight_decay, weight_penalty=weight_penalty, feature_penalty=feature_penalty
    )
    print(f"{convention}\n{found}")


@app.command()
@command
def run(
    folder: Annotated[Path, typer.Argument(help="Folder of a run of `deepnrc train`.")],
    epoch: Annotated[int | None, typer.Option(help="One that was measured; the last.")] = None,
    as_json: Json = False,
) -> None:
    """A trained run's last layer beside the optimum for its targets and penalties."""
    from deepnrc.experiments.run_theory import run_theory  # noqa: PLC0415
    from deepnrc.training.runs.saved_run import load_run  # noqa: PLC0415

    _show(run_theory(load_run(folder, epoch)), as_json)


def _level(c: float | None, lambda_h: float | None, lambda_w: float | None) -> float:
    if (c is None) == (lambda_h is None and lambda_w is None):
        raise ArgumentError("give either --c, or --lambda-h and --lambda-w")
    if c is not None:
        return c
    if lambda_h is None or lambda_w is None:
        missing = "--lambda-h" if lambda_h is None else "--lambda-w"
        raise ArgumentError(f"{missing} must be given too: c is the product of both penalties")
    return lambda_h * lambda_w


def _numbers(text: str, name: str) -> list[float]:
    (row,) = _rows([text], name)
    return row


def _matrix(text: str) -> Any:
    """Rows of numbers, from the text itself or from the file it names."""
    path = Path(text).expanduser()
    if path.suffix not in (".csv", ".txt", ".npy"):
        return _rows(text.split(";"), "--covariance")
    try:
        if path.suffix == ".npy":
            from deepnrc.data.tables.arrays import read_npy  # noqa: PLC0415

            return read_npy(path)
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise FileError(f"--covariance: cannot read '{path}': {error}") from error
    return _rows(lines, f"--covariance '{path}'")


def _rows(lines: list[str], name: str) -> list[list[float]]:
    try:
        rows = [[float(part) for part in line.replace(",", " ").split()] for line in lines]
    except ValueError as error:
        raise ArgumentError(f"{name} must be numbers, as '1,2'; {error}") from None
    lengths = [len(row) for row in rows]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ArgumentError(
            f"{name} must have numbers in rows of one length, as '2,.6;.6,1'; got rows of "
            f"{', '.join(map(str, lengths)) or 'none'}"
        )
    return rows


def _show(record: Any, as_json: bool) -> None:
    print(json.dumps(plain(record), ensure_ascii=False) if as_json else record)
