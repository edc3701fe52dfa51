"""Train networks together and one after another: ``python -m benchmarks.ensemble``."""

import argparse
import os
import statistics

import torch

from benchmarks.machine import header
from benchmarks.timing import seconds
from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.objective import mean_squared_error
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.state import TrainingState, train_epoch

_CONFIG = TrainingConfig(epochs=1, lr=0.01, weight_decay=1e-3)
_BATCH = 128
_GOALS = {64: 2.5, 256: 1.0}  # on two cores
_GPU_GOAL = 6.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ensemble", description=__doc__)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    gpu = f" on {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    print(header("benchmarks.ensemble") + gpu)
    print(
        f"{options.members} networks of {options.depth} layers, one epoch of {options.samples:,} "
        f"samples, batch {_BATCH}"
    )
    columns = "{:>6} {:>8} {:>14} {:>22} {:>6} {:>5}"
    print(columns.format("width", "threads", "one by one s", "speed-up together", "goal", "load"))
    for width in options.widths:
        for threads in options.threads:
            torch.set_num_threads(threads)
            base, ratios = _compare(options, width, device)
            shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            goal = _GPU_GOAL if device.type == "cuda" else _GOALS.get(width)
            load = f"{os.getloadavg()[0]:.1f}"
            print(
                columns.format(width, threads, f"{base:.3f}", shown, goal or "-", load), flush=True
            )


def _compare(
    options: argparse.Namespace, width: int, device: torch.device
) -> tuple[float, list[float]]:
    """Median seconds one by one, and the speed-up of the ensemble in each round."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(options.samples, 20, generator=generator).to(device)
    targets = torch.randn(options.samples, 4, generator=generator).to(device)
    feed = TensorFeed(inputs, targets)
    alone, together = (_states(options, width, device) for _ in range(2))
    ensemble = Ensemble(together)

    def one_by_one() -> None:
        for state in alone:
            train_epoch(state, feed, mean_squared_error, batch_size=_BATCH, lr=0.01)

    def at_once() -> None:
        ensemble.train_epoch(feed, batch_size=_BATCH, lrs=[0.01] * options.members)

    one_by_one()  # a warm-up, not timed
    at_once()
    times = []
    for _ in range(options.rounds):
        before, spent, after = seconds(one_by_one), seconds(at_once), seconds(one_by_one)
        times.append(((before + after) / 2, spent))
    return statistics.median(base for base, _ in times), [base / spent for base, spent in times]


def _states(options: argparse.Namespace, width: int, device: torch.device) -> list[TrainingState]:
    states = []
    for seed in range(options.members):
        generator = torch.Generator().manual_seed(seed)
        model = MLP(20, 4, width=width, depth=options.depth, generator=generator).to(device)
        states.append(TrainingState(model, make_optimizer(model, _CONFIG), generator))
    return states


if __name__ == "__main__":
    main()
