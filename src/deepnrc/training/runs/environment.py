"""What a run was computed with: versions, commit, hardware, threads; no clock and no user name."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import deepnrc
from deepnrc._version import __version__

__all__ = ["environment"]

_PACKAGES = ("numpy", "safetensors", "torch")


def environment(device: torch.device) -> dict[str, Any]:
    """Everything that the bits of a result may depend on besides its configuration and data."""
    return {
        "deepnrc": __version__,
        "commit": _commit(Path(deepnrc.__file__).parent),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": _device(device),
        "cuda": torch.version.cuda,
    }


def _commit(package: Path) -> str | None:
    """The commit of the checkout that the package runs from; "+" marks uncommitted changes."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        # Fails where the package is installed inside another project's checkout.
        git("ls-files", "--error-unmatch", "_version.py")
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return device.type
