"""``deepnrc train``: an experiment by name or file, trained, measured and judged."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement

if TYPE_CHECKING:
    from deepnrc.monitoring.monitor import MonitorRecord

__all__ = ["train"]


@command
def train(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A named experiment, such as hopper or synthetic, or a file that ends in .toml.",
        ),
    ],
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Such as training.weight_decay=1e-3; repeatable."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME if none.")] = None,
) -> None:
    """Train an experiment and measure Deep NRC along the way; goes on where it was stopped.

    Everything goes to the run's folder: configuration, log, measurements, weights. The same
    command on the same folder takes an unfinished run up again.
    """
    from deepnrc.experiments.named import find_experiment  # noqa: PLC0415
    from deepnrc.results.diagnosis import diagnose  # noqa: PLC0415  - torch takes a second
    from deepnrc.training.runs.distributed import is_launched, run_distributed  # noqa: PLC0415
    from deepnrc.training.runs.run import RunEvents, run_experiment  # noqa: PLC0415

    config = find_experiment(experiment, values or ())
    folder = out or Path("runs") / config.name
    shown = _Shown(config.training.epochs)
    events = RunEvents(print, shown.epoch, shown.record)
    if is_launched():  # by torchrun
        distributed = run_distributed(config, folder, events=events)
        if distributed is None:  # the first process tells
            return
        run = distributed
    else:
        run = run_experiment(config, folder, events=events)
    if not run.trained_epochs:
        print(f"'{folder}' is finished: nothing was left to train")
    measurement = run.measurements.get("train")
    if measurement is None:
        print(f"Written: {folder} (the last epoch is none of those that are measured)")
        return
    diagnosis = diagnose(measurement)
    show_measurement(measurement, title="=== on the training data ===")
    if "test" in run.measurements:
        test = run.measurements["test"]
        print(f"on the test data: MSE {test.model_mse:.3g}, R² {test.model_r2:.3f}")
    print()
    show_diagnosis(diagnosis)
    from deepnrc.report.figures import layer_figure, save_figure  # noqa: PLC0415

    (folder / "figures").mkdir(exist_ok=True)
    figure = layer_figure({config.name: (measurement, diagnosis)}, note=run.description)
    files = save_figure(figure, folder / "figures" / "layers")
    print(f"\nWritten: {folder}, with {', '.join(str(f.relative_to(folder)) for f in files)}")


class _Shown:
    """Progress: a line that is written over on a terminal, ten lines in a pipe."""

    def __init__(self, epochs: int) -> None:
        self._epochs, self._live = epochs, sys.stdout.isatty()
        self._collapse = ""
        self._first = 0
        self._start = time.monotonic()

    def record(self, record: "MonitorRecord") -> None:
        last = record.measurement[-1]
        self._collapse = f"  NRC1 of {last.name} {last.noise_component:.2g}"

    def epoch(self, entry: Mapping[str, Any]) -> None:
        epoch = entry["epoch"]
        self._first = self._first or epoch
        if epoch % max(1, self._epochs // (200 if self._live else 10)) and epoch != self._epochs:
            return
        line = (
            f"epoch {epoch:>4}/{self._epochs}  loss {entry['train_loss']:.3e}  "
            f"test {entry['test_loss']:.3e}{self._collapse}"
        )
        if self._live:
            done = epoch - self._first + 1
            left = (time.monotonic() - self._start) / done * (self._epochs - epoch)
            line = f"\r{line}  {int(left) // 60}:{int(left) % 60:02d} left\x1b[K"
        ends = not self._live or epoch == self._epochs
        print(line, end="\n" if ends else "", flush=True)
