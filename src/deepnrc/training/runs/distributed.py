"""Data parallel training under torchrun: each process takes its share of every batch.

``torchrun --nproc-per-node 2 -m deepnrc train …`` trains as one process would with the same
batches, up to rounding: every process draws the same order of samples, takes its rows of each
batch, and DistributedDataParallel averages the gradients. Process 0 alone measures and writes.
"""

import contextlib
import datetime
import hashlib
import importlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from deepnrc.data.dataset import Dataset
from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import plain_config
from deepnrc.training.epoch.feed import Feed, ImageFeed, make_feed
from deepnrc.training.epoch.network import find_device, make_model
from deepnrc.training.epoch.objective import Objective, make_objective
from deepnrc.training.epoch.optimizer import learning_rate, make_optimizer
from deepnrc.training.epoch.result import EpochResult
from deepnrc.training.epoch.state import TrainingState, train_epoch
from deepnrc.training.runs.checkpoint import load_state
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.run import RunEvents, RunResult, run_experiment
from deepnrc.training.runs.saved_run import load_data

__all__ = ["DistributedEpoch", "is_launched", "process_group", "run_distributed"]

if dist.is_available():
    # Its functions take the group of the moment of their import as a default argument. Imported
    # later, as DistributedDataParallel does, they keep the group, and with it gloo's threads, past
    # its end; one of them may then need an interpreter that is gone, which aborts the process.
    importlib.import_module("torch.distributed.nn.functional")

_PATIENCE = datetime.timedelta(days=7)  # the others wait while process 0 measures


def is_launched() -> bool:
    """Whether torchrun, or a launcher that sets what it sets, started more processes than this."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The launched processes as one group: nccl between GPUs, one each, otherwise gloo.

    A group that the caller made already is used, and left.
    """
    if dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def run_distributed(
    config: ExperimentConfig,
    out: Path,
    *,
    data: Dataset | None = None,
    events: RunEvents | None = None,
) -> RunResult | None:
    """`deepnrc.training.runs.run.run_experiment` in all processes that torchrun launched.

    Args:
        config: The experiment, the same in all.
        out: Its folder; only process 0 reads and writes it.
        data: In place of the set that the configuration names.
        events: Whom process 0 tells of progress.

    Returns:
        The run in process 0; None in the others.

    Raises:
        DeepNRCError: The processes have different configurations or data.
        ArgumentError: Batch normalisation without GPUs.
    """
    data = load_data(config) if data is None else data
    device = find_device(config.training.device)
    with process_group(device):
        _check_same(config, data, device)
        epoch = DistributedEpoch(RunFolder(out).latest, device)
        try:
            if dist.get_rank() != 0:
                _follow(config, data, epoch, device)
                return None
            return run_experiment(config, out, data=data, events=events, train_epoch=epoch)
        finally:
            epoch.end()


class DistributedEpoch:
    """Takes the place of `deepnrc.training.epoch.state.train_epoch` in every process of the group.

    The first call takes the state of process 0 over to the others, from its latest checkpoint.

    Args:
        latest: The checkpoint of process 0; the others need not see it.
        device: Of this process.
    """

    def __init__(self, latest: Path, device: torch.device) -> None:
        self._latest, self._device = latest, device
        self._loss: _SharedLoss | None = None
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
            The same in every process: what one would have found over all rows.
        """
        if dist.get_rank() == 0:
            self._say(1)
        self._within = True
        shares = _Shares(feed)
        loss = self.join(state, objective).begin(shares)
        result = train_epoch(state, shares, loss, batch_size=batch_size, lr=lr, clip_norm=clip_norm)
        self._within = False
        sums = torch.cat([loss.total.double().reshape(1), result.squared_error.to(self._device)])
        dist.all_reduce(sums)
        sums = sums.cpu()
        return replace(result, objective=float(sums[0]) / len(feed), squared_error=sums[1:])

    def join(self, state: TrainingState, objective: Objective) -> "_SharedLoss":
        """The first time, take over the state of process 0, in place."""
        if self._loss is None:
            _take_over(self._latest, state, self._device)
            self._loss = _SharedLoss(state.model, objective, self._device)
        return self._loss

    def end(self) -> None:
        """No epoch follows; process 0 says so. Where one broke off, torchrun ends the others."""
        if dist.get_rank() == 0 and not self._within:
            with contextlib.suppress(RuntimeError):  # they have ended already
                self._say(0)
        # It holds the group, which joins its threads only when nothing does, and where an error
        # is on its way out, its traceback holds this.
        self._loss = None

    def goes_on(self) -> bool:
        """In the others: whether process 0 begins another epoch."""
        word = torch.zeros(1, dtype=torch.uint8, device=self._device)
        dist.broadcast(word, src=0)
        return bool(word.item())

    def _say(self, word: int) -> None:
        dist.broadcast(torch.tensor([word], dtype=torch.uint8, device=self._device), src=0)


def _follow(
    config: ExperimentConfig, data: Dataset, epoch: DistributedEpoch, device: torch.device
) -> None:
    """What the processes do that only compute."""
    training = config.training
    feed = make_feed(data.train.inputs, data.train.targets, device)
    t = data.train.targets.shape[1]
    model = make_model(config.model, data.train.inputs, t, seed=config.seed).to(device)
    state = TrainingState(model, make_optimizer(model, training), torch.Generator())
    objective = make_objective(training, model, device)
    while epoch.goes_on():
        epoch.join(state, objective)
        epoch(
            state,
            feed,
            objective,
            batch_size=training.batch_size,
            lr=learning_rate(training, state.epoch + 1),
            clip_norm=training.clip_norm,
        )


class _Shares:
    """A feed of which each process sees its share of every batch.

    Attributes:
        rows: In all shares of the batch that came last.
    """

    def __init__(self, feed: Feed) -> None:
        self._rank, self._size = dist.get_rank(), dist.get_world_size()
        self._whole = feed
        if isinstance(feed, ImageFeed):  # each process reads only its own images
            images = _ImageShare(feed._images, self._rank, self._size)
            self._whole = ImageFeed(images, feed.targets, feed.targets.device)
        self.targets = feed.targets
        self.rows = 0

    def __len__(self) -> int:
        return len(self._whole)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's rows of each batch; none where a batch has fewer rows than processes."""
        mine = slice(self._rank, None, self._size)
        for inputs, targets in self._whole.batches(order, batch_size):
            self.rows = len(targets)
            shared = isinstance(self._whole, ImageFeed)
            yield (inputs if shared else inputs[mine]), targets[mine]


class _ImageShare:
    """Images of which only this process's are read."""

    def __init__(self, images: ImageRows, rank: int, size: int) -> None:
        self._images, self._rank, self._size = images, rank, size
        self.shape = images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        mine = rows[self._rank :: self._size]
        return self._images[mine] if len(mine) else self._images[rows[:1]][:0]


class _SharedLoss:
    """An objective whose gradients are those over all shares of a batch."""

    def __init__(self, model: nn.Module, objective: Objective, device: torch.device) -> None:
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            if device.type != "cuda":
                raise ArgumentError(
                    "batch normalisation over several processes needs GPUs (PyTorch's "
                    "SyncBatchNorm): choose model.norm = 'layer' or 'none', or one process"
                )
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        # The loss within the wrapper, so that model and checkpoints keep their names.
        self._parallel = DistributedDataParallel(_Loss(model, objective))
        self._size = dist.get_world_size()
        self._shares: _Shares | None = None
        self.total = torch.zeros((), device=device)

    def begin(self, shares: _Shares) -> "_SharedLoss":
        """Of an epoch."""
        self._shares, self.total = shares, torch.zeros_like(self.total)
        return self

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert self._shares is not None
        loss, predictions = self._parallel(inputs, targets)
        self.total = self.total + loss.detach() * len(targets)
        # The mean over processes that follows would give each share the same weight.
        weight = len(targets) * self._size / self._shares.rows
        return loss * weight, predictions


class _Loss(nn.Module):
    """An objective with its model inside, as DistributedDataParallel wraps it."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if len(targets) == 0:  # the mean of nothing is NaN; its gradients must be 0
            predictions = self.model(inputs)
            return predictions.sum(), predictions
        return self.objective(self.model, inputs, targets)


def _take_over(latest: Path, state: TrainingState, device: torch.device) -> None:
    """The state of process 0 in all, as the bytes of its checkpoint."""
    first = dist.get_rank() == 0
    content = latest.read_bytes() if first else b""
    size = torch.tensor([len(content)], device=device)
    dist.broadcast(size, src=0)
    buffer = torch.zeros(int(size), dtype=torch.uint8, device=device)
    if first:
        buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    dist.broadcast(buffer, src=0)
    if first:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / latest.name
        path.write_bytes(buffer.cpu().numpy().tobytes())
        load_state(path, state)


def _check_same(config: ExperimentConfig, data: Dataset, device: torch.device) -> None:
    text = json.dumps([plain_config(config), data.provenance], sort_keys=True)
    digest = hashlib.sha256(text.encode()).digest()
    mine = torch.tensor(list(digest), dtype=torch.uint8, device=device)
    all_of_them = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(all_of_them, mine)
    others = [rank for rank, its in enumerate(all_of_them) if not torch.equal(its, all_of_them[0])]
    if others:
        raise DeepNRCError(
            f"process 0 and {', '.join(map(str, others))} have different configurations or data: "
            "give all the same experiment, settings and data files"
        )
