"""Processes killed at every change of a file, while writing and while recovering."""

import random
import shutil

from dying import survives
from faults.promise import Tries
from faults.runs import different, finished, train
from helpers import run_contents

__all__ = ["while_building", "while_recovering", "while_sweeping", "while_writing"]

FOREVER = 10**9


def _tried(tries, folder, kills, action, check):
    """Kill at each of these changes in turn, then let it end; returns whether it ended before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ended = False
    try:
        for at in kills:
            ended = survives(lambda: action(folder), at)
        survives(lambda: action(folder), FOREVER)
        wrong = check(folder)
    except AssertionError as error:
        wrong = [str(error)]
    tries.add("resumed", f"killed at {kills}: {wrong}" if wrong else "")
    return ended


def while_writing(folder):
    """A run killed at each of its changes, one after the other."""
    expected = run_contents(finished(folder / "whole"))
    tries, at = Tries(), 1
    while not _tried(
        tries,
        folder / "try",
        [at],
        lambda f: train(f / "run"),
        lambda f: different(f / "run", expected),
    ):
        at += 1
    return tries


def while_recovering(folder, count=100):
    """A run killed at a random change, and its successors at random early ones."""
    expected = run_contents(finished(folder / "whole"))
    tries, random_ = Tries(), random.Random(0)
    for _ in range(count):
        kills = [random_.randint(1, 110), random_.randint(1, 40), random_.randint(1, 40)]
        _tried(
            tries, folder / "try", kills, lambda f: train(f / "run"),
            lambda f: different(f / "run", expected),
        )  # fmt: skip
    return tries


def while_sweeping(folder):
    """A sweep of two runs with its table, killed at each of its changes but two of three."""
    from deepnrc.training.sweeps.expand import expand
    from deepnrc.training.sweeps.table import tidy_frame, write_table
    from sweeping import make, sweep

    members = expand(make, [], seeds=2)

    def act(out):
        sweep(members, out)
        write_table(tidy_frame(members, out), out / "results.csv")

    def contents(out):
        found = {"results.csv": (out / "results.csv").read_bytes()}
        for member in members:
            run = run_contents(out / member.name)
            found |= {f"{member.name}/{name}": content for name, content in run.items()}
        found |= {str(x): b"" for x in out.rglob("*.draft")}
        return found

    (folder / "whole").mkdir()
    act(folder / "whole")
    expected, tries, at = contents(folder / "whole"), Tries(), 1

    def check(out):
        got = contents(out)
        return sorted(n for n in got.keys() | expected.keys() if got.get(n) != expected.get(n))

    while not _tried(tries, folder / "try", [at], act, check):
        at += 3
    return tries


def while_building(folder):
    """A data set's tensors written at each of their changes: whole or absent."""
    import torch

    from deepnrc.data.access.cache import load_tensors, save_tensors

    path = folder / "data" / "set.safetensors"
    tries, at = Tries(), 1
    while True:
        ended = survives(lambda: save_tensors(path, {"x": torch.arange(9.0)}, {"a": 1}), at)
        if path.exists():
            tensors, _ = load_tensors(path, rebuild="again")
            whole = torch.equal(tensors["x"], torch.arange(9.0))
            tries.add("whole", "" if whole else f"killed at {at}: another content")
        else:
            tries.add("absent")
        shutil.rmtree(folder / "data", ignore_errors=True)
        if ended:
            return tries
        at += 1
