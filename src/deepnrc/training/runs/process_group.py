"""The processes that torchrun launched, as one group."""

import contextlib
import datetime
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


def broadcast_state(latest: Path, state: TrainingState) -> None:
    """Load the checkpoint of process 0 into the states of the other processes, in place.

    Args:
        latest: The checkpoint; only process 0 reads it.
        state: Of this process; unchanged in process 0.
    """
    first = dist.get_rank() == 0
    content = [latest.read_bytes() if first else b""]
    dist.broadcast_object_list(content, src=0)
    if not first:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / latest.name
            path.write_bytes(content[0])
            load_state(path, state)


def check_same(text: str) -> None:
    """Check that all processes have the same configuration and data.

    Args:
        text: All that must be the same.

    Raises:
        DeepNRCError: A process has another text; the message names it.
    """
    texts = [""] * dist.get_world_size()
    dist.all_gather_object(texts, text)
    others = [str(rank) for rank, its in enumerate(texts) if its != texts[0]]
    if others:
        raise DeepNRCError(
            f"process 0 and {', '.join(others)} have different configurations or data: give all "
            "processes the same experiment, settings and data files"
        )
