"""The demo: two small networks; the one with weight decay collapses below its last layer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from deepnrc.data.sets.synthetic import SyntheticData, nonlinear_teacher
from deepnrc.models.mlp import MLP
from deepnrc.report.figures import layer_figure, save_figure
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.measure import measure
from deepnrc.results.measurement import Measurement
from deepnrc.storage.atomic import make_folder
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.loop import train

__all__ = ["DemoRun", "run_demo"]

WITH_DECAY = TrainingConfig(epochs=150, lr=0.05, weight_decay=5e-3)
WITHOUT_DECAY = TrainingConfig(epochs=150, lr=0.05, weight_decay=0.0)
_WIDTH, _DEPTH, _SAMPLES = 64, 8, 2000


@dataclass(frozen=True)
class DemoRun:
    """One of the two networks after training.

    Attributes:
        title: With or without weight decay.
        measurement: On the training data, with the targets' own rank as signal rank.
        diagnosis: By all four conditions.
    """

    title: str
    measurement: Measurement
    diagnosis: Diagnosis


Report = Callable[[str, int, int, float, float], None]
"""Called with (title, epoch, epochs, loss, noise component before the last layer)."""


def run_demo(
    out: Path, *, seed: int = 0, report: Report | None = None
) -> tuple[tuple[DemoRun, DemoRun], tuple[Path, ...]]:
    """Train both networks on a teacher of rank 2 with 10 targets, measure, diagnose and draw.

    Runs on one thread, which is fastest for matrices this small, so that the results do not depend
    on the number of cores.

    Args:
        out: Folder for the figure and the measurements; created if missing.
        seed: Of the teacher, the initial weights and the order of the samples.
        report: Called every few epochs.

    Returns:
        The two runs, and the files written.

    Raises:
        FileError: The folder cannot be created or written to.
    """
    make_folder(out)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        data = nonlinear_teacher(_SAMPLES, rank=2, target_dim=10, seed=seed)
        runs = (
            _run(f"weight decay {WITH_DECAY.weight_decay:g}", data, WITH_DECAY, seed, report),
            _run("no weight decay", data, WITHOUT_DECAY, seed, report),
        )
    finally:
        torch.set_num_threads(threads)
    figure = layer_figure(
        {run.title: (run.measurement, run.diagnosis) for run in runs},
        note=f"MLP of {_DEPTH} layers × {_WIDTH} on a {data.provenance}; seed {seed}",
    )
    files = list(save_figure(figure, out / "collapse"))
    for run, name in zip(runs, ("with-decay.json", "without-decay.json"), strict=True):
        run.measurement.save(out / name)
        files.append(out / name)
    return runs, tuple(files)


def _run(
    title: str, data: SyntheticData, config: TrainingConfig, seed: int, report: Report | None
) -> DemoRun:
    generator = torch.Generator().manual_seed(seed)
    model = MLP(
        data.inputs.shape[1],
        data.targets.shape[1],
        width=_WIDTH,
        depth=_DEPTH,
        generator=generator,
    )
    loader = [(data.inputs, data.targets)]

    def on_epoch(epoch: int, loss: float) -> None:
        if report is not None and (epoch % 5 == 0 or epoch == config.epochs):
            now = measure(model, loader, layers=f"fc{_DEPTH}", signal_rank=2, progress=False)
            report(title, epoch, config.epochs, loss, now[-1].noise_component)

    train(model, data.inputs, data.targets, config, seed=seed, on_epoch=on_epoch)
    measurement = measure(model, loader, signal_rank="targets", progress=False)
    return DemoRun(title, measurement, diagnose(measurement))
