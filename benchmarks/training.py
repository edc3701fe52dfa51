"""Time an epoch against a plain loop, and measuring on the way: ``python -m benchmarks.training``.

The plain loop is the usual one: a shuffling ``DataLoader`` over tensors and ``torch.optim.SGD``
with its defaults. Both see the same data at batch 128 on one thread. Runs alternate, and ratios are
taken between neighbouring runs, so that other load on the machine cancels out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.machine import header
from benchmarks.timing import interleaved, seconds
from deepnrc.data.dataset import split_data
from deepnrc.data.source import RawData
from deepnrc.experiments.named import find_experiment
from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.objective import mean_squared_error
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.state import TrainingState, train_epoch
from deepnrc.training.runs.run import run_experiment

ROWS, INPUTS, TARGETS = 4000, 11, 3  # the training part of Hopper
CONFIG = TrainingConfig(epochs=1000, lr=1e-3, weight_decay=1e-3)


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, INPUTS, generator=generator)
    teacher = MLP(INPUTS, TARGETS, width=32, depth=3, generator=generator)
    with torch.no_grad():
        return inputs, teacher(inputs)


def network(width: int) -> MLP:
    generator = torch.Generator().manual_seed(1)
    return MLP(INPUTS, TARGETS, width=width, depth=8, generator=generator)


def plain_epoch(width: int) -> Callable[[], None]:
    model = network(width)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=CONFIG.lr, momentum=0.9, weight_decay=CONFIG.weight_decay
    )
    loader = DataLoader(TensorDataset(*rows(ROWS)), batch_size=128, shuffle=True)

    def epoch() -> None:
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def our_epoch(width: int) -> Callable[[], object]:
    model = network(width)
    state = TrainingState(model, make_optimizer(model, CONFIG), torch.Generator().manual_seed(0))
    feed = TensorFeed(*rows(ROWS))
    return lambda: train_epoch(state, feed, mean_squared_error, batch_size=128, lr=CONFIG.lr)


def hopper(epochs: int) -> None:
    """Train Hopper at the paper's sizes; with fewer epochs, proportionally fewer are measured."""
    inputs, targets = rows(5000)
    provenance: dict[str, object] = {"data": "benchmark", "made_from": "a random teacher"}
    names = tuple(f"x{i}" for i in range(INPUTS)), tuple(f"y{i}" for i in range(TARGETS))
    data = split_data(RawData(inputs, targets, *names, provenance))
    count = max(2, round(70 * epochs / 1000))
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, measured in (("measured", count), ("not measured", 0)):
            values = [f"training.epochs={epochs}"]
            values += [f"measure.log_spaced={measured}" if measured else "measure.epochs=[]"]
            config = find_experiment("hopper", values)
            out = Path(folder) / name.replace(" ", "-")
            start = time.process_time()
            wall = seconds(lambda c=config, o=out: run_experiment(c, o, data=data))
            times[name] = time.process_time() - start
            print(f"  {name:14s} {wall:7.1f} s, {times[name]:7.1f} s of a core")
    share = times["measured"] / times["not measured"] - 1
    print(f"  measuring {count} epochs of {epochs} costs {100 * share:.1f} % of training")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--hopper-epochs", type=int, default=1000, help="0 skips this part")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(header("benchmarks.training"))
    print(f"One epoch of {ROWS} rows, batch 128, one thread: speed-up over the plain loop")
    for width, goal in ((64, 1.7), (256, 1.2)):
        base, ratios = interleaved(
            our_epoch(width), {"plain": plain_epoch(width)}, rounds=options.rounds
        )
        print(f"  8 x {width:<4d} {ratios['plain']}  goal {goal}  (ours {1e3 * base:.0f} ms)")
    if options.hopper_epochs:
        print(f"The paper's Hopper run: 5000 rows, 8 x 256, {options.hopper_epochs} epochs")
        hopper(options.hopper_epochs)


if __name__ == "__main__":
    main()
