"""What a table of benchmarks was made on: the date, the processor, the command."""

import datetime
import os
import pathlib
import platform
import resource
import sys

import torch


def header(module: str) -> str:
    """Date, processor, load, version of torch and the command, on one line."""
    command = " ".join([f"python -m {module}", *sys.argv[1:]])
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"{datetime.date.today()}, {processor()}, {load}, torch {torch.__version__}, {command}"


def processor() -> str:
    """Name of the processor."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory() -> float:
    """Peak resident memory of this process, in MiB."""
    # ru_maxrss starts from what the parent process held when it forked; VmHWM does not.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(float(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
