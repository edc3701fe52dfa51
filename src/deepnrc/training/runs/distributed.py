"""Data-parallel training under torchrun: each process takes its share of every batch.

``torchrun --nproc-per-node 2 -m deepnrc train …`` trains like one process with the same batches, up
to rounding: every process draws the same order of samples and takes its rows of each batch, and
DistributedDataParallel averages the gradients. Process 0 alone measures and writes.
"""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from deepnrc.data.dataset import Dataset
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import plain_config
from deepnrc.training.epoch.feed import Feed
from deepnrc.training.epoch.network import find_device
from deepnrc.training.epoch.objective import Objective, make_objective
from deepnrc.training.epoch.optimizer import learning_rate
from deepnrc.training.epoch.result import EpochResult
from deepnrc.training.epoch.state import TrainingState, train_epoch
from deepnrc.training.runs.data import TrainingData, load_data
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.process_group import broadcast_state, check_same, process_group
from deepnrc.training.runs.run import RunEvents, RunResult, run_experiment
from deepnrc.training.runs.session import initial_state
from deepnrc.training.runs.shared_batches import SharedFeed, SharedLoss

__all__ = ["DistributedEpoch", "run_distributed"]


def run_distributed(
    config: ExperimentConfig,
    out: Path,
    *,
    data: Dataset | None = None,
    events: RunEvents | None = None,
) -> RunResult | None:
    """`deepnrc.training.runs.run.run_experiment` in all processes that torchrun launched.

    Args:
        config: The experiment, the same in all processes.
        out: Its folder; only process 0 reads and writes it.
        data: Replaces the data set that the configuration names.
        events: Called on progress, in process 0.

    Returns:
        The run in process 0; None in the others.

    Raises:
        DeepNRCError: The processes have different configurations or data.
        ArgumentError: The network has batch normalization and is not on GPUs.
    """
    data = load_data(config) if data is None else data
    device = find_device(config.training.device)
    with process_group(device):
        check_same(json.dumps([plain_config(config), data.provenance], sort_keys=True))
        epoch = DistributedEpoch(RunFolder(out).latest, device)
        try:
            if dist.get_rank() != 0:
                _follow(config, data, epoch)
                return None
            return run_experiment(config, out, data=data, events=events, train_epoch=epoch)
        finally:
            epoch.end()


class DistributedEpoch:
    """Replaces `deepnrc.training.epoch.state.train_epoch` in every process of the group.

    The first call loads the latest checkpoint of process 0 in the others.

    Args:
        latest: The checkpoint; only process 0 reads it.
        device: Of this process.
    """

    def __init__(self, latest: Path, device: torch.device) -> None:
        self._latest, self._device = latest, device
        self._loss: SharedLoss | None = None
        self._within = False

    def __call__(
        self,
        state: TrainingState,
        feed: Feed,
        objective: Objective,
        *,
        batch_size: int,
        lr: float,
        clip_norm: float | None = None,
    ) -> EpochResult:
        """One pass over the data, shared among the processes; arguments as of `train_epoch`.

        Returns:
            The result over all rows, the same in every process.
        """
        if dist.get_rank() == 0:
            dist.broadcast_object_list([True], src=0)
        self._within = True
        shares = SharedFeed(feed)
        loss = self.join(state, objective).begin(shares)
        result = train_epoch(state, shares, loss, batch_size=batch_size, lr=lr, clip_norm=clip_norm)
        self._within = False
        sums = torch.cat([loss.total.double().reshape(1), result.squared_error.to(self._device)])
        dist.all_reduce(sums)
        sums = sums.cpu()
        return replace(result, objective=float(sums[0]) / len(feed), squared_error=sums[1:])

    def join(self, state: TrainingState, objective: Objective) -> SharedLoss:
        """The loss over all processes; the first call loads the state of process 0, in place."""
        if self._loss is None:
            broadcast_state(self._latest, state)
            self._loss = SharedLoss(state.model, objective, self._device)
        return self._loss

    def another(self) -> bool:
        """In the other processes: whether process 0 starts another epoch."""
        answer = [False]
        dist.broadcast_object_list(answer, src=0)
        return answer[0]

    def end(self) -> None:
        """No epoch follows; where one was broken off, torchrun ends the other processes."""
        if dist.get_rank() == 0 and not self._within:
            with contextlib.suppress(RuntimeError):  # they have ended already
                dist.broadcast_object_list([False], src=0)
        # The loss keeps the group, whose threads are joined only when nothing refers to it; and
        # the traceback of an error refers to this object.
        self._loss = None


def _follow(config: ExperimentConfig, data: Dataset, epoch: DistributedEpoch) -> None:
    """What the processes other than process 0 do: they only train."""
    training = config.training
    on_device = TrainingData(data, training.device)
    state = initial_state(config, on_device)
    objective = make_objective(training, state.model, on_device.device)
    while epoch.another():
        epoch.join(state, objective)
        epoch(
            state,
            on_device.feeds["train"],
            objective,
            batch_size=training.batch_size,
            lr=learning_rate(training, state.epoch + 1),
            clip_norm=training.clip_norm,
        )
