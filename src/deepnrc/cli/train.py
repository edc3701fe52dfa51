"""``deepnrc train``: an experiment by name or file, trained, measured and judged."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.options import ExperimentName, Settings
from deepnrc.cli.show import show_diagnosis, show_measurement
from deepnrc.support.text import shown

if TYPE_CHECKING:
    from deepnrc.monitoring.monitor import MonitorRecord
    from deepnrc.results.measurement import Measurement

__all__ = ["train"]


@command
def train(
    experiment: ExperimentName,
    values: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/NAME.")] = None,
) -> None:
    """Train an experiment and measure Deep NRC during training; resumes where it stopped.

    Everything goes to the run's folder: configuration, log, measurements, weights. The same
    command on the same folder resumes an unfinished run.
    """
    from deepnrc.experiments.named import find_experiment  # noqa: PLC0415  - torch takes a second
    from deepnrc.training.runs.distributed import run_distributed  # noqa: PLC0415
    from deepnrc.training.runs.folder import named_folder  # noqa: PLC0415
    from deepnrc.training.runs.process_group import is_launched  # noqa: PLC0415
    from deepnrc.training.runs.run import RunEvents, run_experiment  # noqa: PLC0415

    config = find_experiment(experiment, values or ())
    folder = out or named_folder("runs", config.name)
    progress = _Progress(config.training.epochs)
    events = RunEvents(lambda line: print(shown(line)), progress.epoch, progress.record)
    start = run_distributed if is_launched() else run_experiment
    run = start(config, folder, events=events)
    if run is None:  # started by torchrun: the first process reports
        return
    if not run.trained_epochs:
        print(f"'{folder}' is finished: nothing was left to train")
    if "train" not in run.measurements:
        print(f"Written: {folder} (the last epoch is not one that is measured)")
        return
    _show(run.measurements, folder, config.name, run.description)


def _show(
    measurements: "Mapping[str, Measurement]", folder: Path, name: str, description: str
) -> None:
    """The measurements and the diagnosis of the last epoch, and their figure."""
    from deepnrc.report.figures import layer_figure, save_figure  # noqa: PLC0415
    from deepnrc.results.diagnosis import diagnose  # noqa: PLC0415

    measurement = measurements["train"]
    diagnosis = diagnose(measurement)
    show_measurement(measurement, title="=== on the training data ===")
    if "test" in measurements:
        test = measurements["test"]
        print(f"on the test data: MSE {test.model_mse:.3g}, R² {test.model_r2:.3f}")
    print()
    show_diagnosis(diagnosis)
    (folder / "figures").mkdir(exist_ok=True)
    figure = layer_figure({name: (measurement, diagnosis)}, note=description)
    files = save_figure(figure, folder / "figures" / "layers")
    print(f"\nWritten: {folder}, with {', '.join(str(f.relative_to(folder)) for f in files)}")


class _Progress:
    """Progress: one line that is overwritten on a terminal, ten lines in a pipe."""

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
