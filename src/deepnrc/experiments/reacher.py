"""The paper's Reacher network: an 8 × 512 MLP without biases that imitates a scripted expert."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deepnrc.data.imitation import ImitationData, load_reacher
from deepnrc.data.splits import Splits, split_and_standardize
from deepnrc.diagnosis import Diagnosis, diagnose
from deepnrc.errors import FileError
from deepnrc.measure import measure
from deepnrc.measurement import Measurement
from deepnrc.models.mlp import MLP
from deepnrc.report.figures import layer_figure, save_figure
from deepnrc.training.loop import Settings, train

__all__ = ["ReacherRun", "model", "run_reacher", "splits", "test_loader", "train_loader"]

PAPER = Settings(epochs=1000, lr=0.05, weight_decay=1e-4)
"""[RU26] Table 2: SGD 0.05, momentum 0.9, weight decay 1e-4, batch 128, ×0.1 at 1/3 and 2/3."""


@dataclass(frozen=True)
class ReacherRun:
    """The trained network's measurement on its training data, and where it was saved.

    Attributes:
        measurement: On the training split.
        test_measurement: On the test split.
        diagnosis: Of ``measurement``.
        files: Written: weights, measurements, figure.
    """

    measurement: Measurement
    test_measurement: Measurement
    diagnosis: Diagnosis
    files: tuple[Path, ...]


def model(input_dim: int = 10, target_dim: int = 2) -> nn.Module:
    """The paper's network, untrained: 8 weight layers, 512 wide, no biases."""
    return MLP(input_dim, target_dim, width=512, depth=8)


def splits(data: ImitationData | None = None) -> Splits:
    """80/20 split with seed 42, inputs and targets standardised on the training part."""
    data = load_reacher() if data is None else data
    return split_and_standardize(data.inputs, data.targets)


def train_loader() -> list[tuple[Tensor, Tensor]]:
    """The training part of the built data, in batches of 128."""
    part = splits().train
    return list(_batches(part.inputs, part.targets))


def test_loader() -> list[tuple[Tensor, Tensor]]:
    """The test part of the built data, in batches of 128."""
    part = splits().test
    return list(_batches(part.inputs, part.targets))


def run_reacher(
    out: Path,
    *,
    data: ImitationData | None = None,
    epochs: int | None = None,
    weight_decay: float | None = None,
    seed: int = 0,
    report: Callable[[int, int, float], None] | None = None,
) -> ReacherRun:
    """Train the paper's network on Reacher, measure it and write everything to a folder.

    Args:
        out: Folder; made if need be.
        data: From `build_reacher`; None loads the built set from the cache.
        epochs: Other than the paper's 1000.
        weight_decay: Other than the paper's 1e-4.
        seed: Of initial weights and order of samples.
        report: Told (epoch, epochs, loss) after each epoch.

    Raises:
        FileError: The data were not built, or the folder cannot be written to.
    """
    settings = PAPER if epochs is None else replace(PAPER, epochs=epochs)
    if weight_decay is not None:
        settings = replace(settings, weight_decay=weight_decay)
    data = load_reacher() if data is None else data
    parts = splits(data)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder '{out}': {error.strerror or error}") from error
    generator = torch.Generator().manual_seed(seed)
    network = MLP(
        parts.train.inputs.shape[1],
        parts.train.targets.shape[1],
        width=512,
        depth=8,
        init="torch",  # the papers name none; He's diverges at their learning rate
        generator=generator,
    )

    def on_epoch(epoch: int, loss: float) -> None:
        if report is not None:
            report(epoch, settings.epochs, loss)

    train(network, parts.train.inputs, parts.train.targets, settings, seed=seed, on_epoch=on_epoch)
    measured = [
        measure(network, list(_batches(part.inputs, part.targets)), progress=False)
        for part in (parts.train, parts.test)
    ]
    diagnosis = diagnose(measured[0])
    save_file(network.state_dict(), out / "model.safetensors")
    files = [out / "model.safetensors"]
    for record, name in zip(measured, ("train.json", "test.json"), strict=True):
        record.save(out / name)
        files.append(out / name)
    title = f"Reacher, weight decay {settings.weight_decay:g}, {settings.epochs} epochs"
    figure = layer_figure(
        {title: (measured[0], diagnosis)},
        note=f"{data.provenance.get('environment', 'Reacher')}, scripted expert, "
        f"{len(data.inputs)} samples; seed {seed}",
    )
    files += save_figure(figure, out / "reacher")
    return ReacherRun(measured[0], measured[1], diagnosis, tuple(files))


def _batches(inputs: Tensor, targets: Tensor, size: int = 128) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(inputs), size):
        yield inputs[start : start + size], targets[start : start + size]
