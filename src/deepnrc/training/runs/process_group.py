"""The processes that torchrun launched, as one group."""

import contextlib
import datetime
import hashlib
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist

from deepnrc.errors import DeepNRCError
from deepnrc.training.epoch.state import TrainingState
from deepnrc.training.runs.checkpoint import load_state

__all__ = ["broadcast_state", "check_same", "is_launched", "process_group"]

if dist.is_available():
    # Its functions take the default group at their import as a default argument. Imported after
    # the group is made, as DistributedDataParallel does, they keep the group, and with it gloo's
    # threads, past its end. One of these may then need an interpreter that is gone, which aborts
    # the process.
    importlib.import_module("torch.distributed.nn.functional")

_TIMEOUT = datetime.timedelta(days=7)  # the others wait while process 0 measures


def is_launched() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, started several processes."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The launched processes as one group: nccl with one GPU each, otherwise gloo.

    A group that already exists is used, and kept.
    """
    if dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def broadcast_state(latest: Path, state: TrainingState, device: torch.device) -> None:
    """Load the checkpoint of process 0 into the states of the other processes, in place.

    Args:
        latest: The checkpoint; only process 0 reads it.
        state: Of this process; unchanged in process 0.
        device: Of this process.
    """
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


def check_same(text: str, device: torch.device) -> None:
    """Check that all processes have the same configuration and data.

    Args:
        text: All that must be the same.
        device: Of this process.

    Raises:
        DeepNRCError: A process has another text; the message names it.
    """
    digest = hashlib.sha256(text.encode()).digest()
    own = torch.tensor(list(digest), dtype=torch.uint8, device=device)
    digests = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(digests, own)
    others = [str(rank) for rank, its in enumerate(digests) if not torch.equal(its, digests[0])]
    if others:
        raise DeepNRCError(
            f"process 0 and {', '.join(others)} have different configurations or data: give all "
            "processes the same experiment, settings and data files"
        )
