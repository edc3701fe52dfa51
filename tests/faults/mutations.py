"""Files of runs changed in hundreds of ways; each is named, made again, or changes nothing."""

import random
import re
import shutil
from functools import partial

from deepnrc.errors import DeepNRCError
from deepnrc.results.measurement import load as load_measurement
from deepnrc.training.runs.check import check_run
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.measured import load_log, load_measured
from deepnrc.training.runs.saved_run import load_run
from faults.promise import Tries
from faults.runs import copied, different, finished, stopped, train
from helpers import run_contents

__all__ = ["of_measurements", "of_runs"]

ADVICE = re.compile(r"restore it|delete it|undo the changes|another folder|measure again|update")


def _flip(content, draw):
    if not content:
        return b"\0"
    place, bit = draw.randrange(len(content)), 1 << draw.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def _digit(content, draw):
    """One digit of a number, as an edit by hand would change it."""
    places = [i for i, byte in enumerate(content) if 48 <= byte < 58]
    if not places:
        return _flip(content, draw)
    place = draw.choice(places)
    new = 48 + (content[place] - 48 + draw.randint(1, 9)) % 10
    return content[:place] + bytes([new]) + content[place + 1 :]


def _zeros(content, draw):
    start = draw.randrange(max(1, len(content)))
    return content[:start] + bytes(min(64, len(content) - start)) + content[start + 64 :]


def _line_lost(content, draw):
    lines = content.splitlines(keepends=True)
    del lines[draw.randrange(len(lines))]
    return b"".join(lines)


HARMS = {
    "a bit": _flip,
    "another bit": _flip,
    "a third bit": _flip,
    "a digit": _digit,
    "another digit": _digit,
    "64 zeros": _zeros,
    "cut": lambda content, draw: content[: draw.randrange(len(content) or 1)],
    "longer": lambda content, draw: content + bytes(draw.randrange(1, 9)),
    "a line lost": _line_lost,
    "emptied": lambda content, draw: b"",
    "lost": lambda content, draw: None,
    "twice": lambda content, draw: content + content,
}


def of_runs(folder, rounds=2):
    """Every file of a finished and of an unfinished run, in each way; also another run's file."""
    whole, other = finished(folder / "whole"), finished(folder / "other", seed=1)
    sources = {"finished": whole, "unfinished": stopped(folder / "stopped")}
    expected, values, tries = run_contents(whole), _values(whole), Tries()
    names = sorted(
        str(x.relative_to(whole)) for x in whole.rglob("*") if x.is_file() and x.name != ".lock"
    )
    draw = random.Random(0)
    for state, source in sources.items():
        for name in names:
            if not (source / name).exists():
                continue
            for harm, change in [*HARMS.items(), ("of another run", None)] * rounds:
                run = copied(source, folder / "try")
                if change is None:
                    content = (other / name).read_bytes()
                else:
                    content = change((run / name).read_bytes(), draw)
                same = content == (source / name).read_bytes()
                if name == "log.jsonl" and content is not None:  # its later lines count for nothing
                    size = RunFolder(source).manifest().files[name]["size"]
                    same = content[:size] == (source / name).read_bytes()[:size]
                (run / name).unlink()
                if content is not None:
                    (run / name).write_bytes(content)
                what = f"{state} run, {name}: {harm}"
                kind, failure = _judged(run, name, same, expected, values)
                tries.add(kind, f"{what}: {failure}" if failure else "")
    shutil.rmtree(folder / "try", ignore_errors=True)
    return tries


def _judged(run, name, same, expected, values):
    """The outcome of a change, and what is wrong with it."""
    try:
        wrong, notes = check_run(run)
        told = any(name in line for line in (*wrong, *notes))
        if not (same or told or name == "sessions.jsonl"):
            return "silent", "check did not notice it"
        failure = _silent_readers(run, values)
        if failure:
            return "silent", failure
        train(run)
    except DeepNRCError as error:
        text = str(error)
        if name.rpartition("/")[2] not in text and str(run) not in text:
            return "unnamed", text
        return "named", "" if ADVICE.search(text) else f"no remedy: {text}"
    except Exception as error:
        return "raw error", f"{type(error).__name__}: {error}"
    left = [x for x in different(run, expected) if x != "manifest.json"]
    if left and left != [name]:
        return "silent", f"another result: {left}"
    if left:
        lost = not (run / name).exists() and name.startswith("checkpoints/epoch-")
        return ("told", "") if lost else ("silent", f"left as it was: {left}")
    return "made again or harmless", ""


def _values(run):
    """What each reader of a run gives, as text; None where it refuses."""
    folder = RunFolder(run)
    readers = {"log": lambda: load_log(folder)[:2]}
    for epoch in (0, 2):
        readers[f"weights of epoch {epoch}"] = partial(_weights, run, epoch)
        for part in ("train", "test"):
            readers[f"{part} measurement of epoch {epoch}"] = partial(
                load_measured, folder, epoch, part
            )
    return {name: _read(reader) for name, reader in readers.items()}


def _weights(run, epoch):
    saved = load_run(run, epoch)
    state = saved.model.state_dict()
    return {name: value.tolist() for name, value in state.items()}, saved.config


def _read(reader):
    try:
        return repr(reader())  # in which NaN equals NaN
    except DeepNRCError:
        return None


def _silent_readers(run, values):
    """Which reader gave something else without a word."""
    got = _values(run)
    return ", ".join(f"another {n}" for n in got if got[n] not in (None, values[n]))


def of_measurements(folder, rounds=20):
    """A measurement's file by itself, in each way."""
    import torch

    import deepnrc

    path = folder / "measurement.json"
    inputs = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    deepnrc.measure(model, [(inputs, inputs[:, :2])], progress=False).save(path)
    whole, expected = path.read_bytes(), repr(load_measurement(path))
    tries, draw = Tries(), random.Random(1)
    for harm, change in [*HARMS.items()] * rounds:
        content = change(whole, draw)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        try:
            same = repr(load_measurement(path)) == expected
            tries.add("harmless" if same else "silent", "" if same else f"{harm}: another value")
        except DeepNRCError as error:
            tries.add("named", "" if str(path) in str(error) else f"{harm}: {error}")
        except Exception as error:
            tries.add("raw error", f"{harm}: {type(error).__name__}: {error}")
    return tries
