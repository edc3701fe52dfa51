"""``deepnrc train``: a paper's network on its data, measured when trained."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement

__all__ = ["train"]


class Experiment(StrEnum):
    """Named experiments."""

    REACHER = "reacher"


@command
def train(
    experiment: Annotated[Experiment, typer.Argument(help="Which experiment.")],
    out: Annotated[Path | None, typer.Option(help="Folder; runs/NAME by default.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Other than the paper's.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(min=0.0, help="Other than the paper's.")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Size of the built data set.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and batches.")] = 0,
) -> None:
    """Train the paper's network (8 × 512 on Reacher), measure and judge it; builds missing data."""
    from deepnrc.data.imitation import (  # noqa: PLC0415
        build_reacher,
        load_reacher,
        reacher_path,
        save_reacher,
    )
    from deepnrc.experiments.reacher import run_reacher  # noqa: PLC0415

    if not reacher_path(samples=samples).exists():
        print(f"Written: {save_reacher(build_reacher(samples))}")
    run = run_reacher(
        out or Path("runs") / experiment.value,
        data=load_reacher(samples=samples),
        epochs=epochs,
        weight_decay=weight_decay,
        seed=seed,
        report=_report,
    )
    show_measurement(run.measurement, title="=== on the training data ===")
    test = run.test_measurement
    print(f"on the test data: MSE {test.model_mse:.3g}, R² {test.model_r2:.3f}\n")
    show_diagnosis(run.diagnosis)
    print(f"\nWritten: {', '.join(map(str, run.files))}")


def _report(epoch: int, epochs: int, loss: float) -> None:
    live = sys.stdout.isatty()
    if epoch % max(1, epochs // (200 if live else 10)) and epoch != epochs:
        return
    line = f"epoch {epoch:>4}/{epochs}  loss {loss:.3e}"
    print(f"\r{line}" if live else line, end="" if live and epoch < epochs else "\n", flush=True)
