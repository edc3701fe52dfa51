"""Disks that are full, file systems that lack locks or fsync, and files made to do harm."""

import errno
import fcntl
import json
import os
import shutil
import time
import warnings

from deepnrc.errors import DeepNRCError
from deepnrc.results.measurement import load as load_measurement
from deepnrc.storage.tensors import read_tensors
from deepnrc.training.runs.check import check_run
from deepnrc.training.runs.folder import RunFolder, named_folder
from faults.promise import Tries
from faults.runs import copied, different, finished, train
from helpers import file_size_limit, run_contents

__all__ = ["full_disk", "hostile", "listed", "no_fsync", "no_locks"]


def full_disk(folder):
    """A file size limit at which each of a run's files in turn does not fit; then space again."""
    expected, tries = run_contents(finished(folder / "whole")), Tries()
    largest = max(map(len, expected.values()))
    for size in range(100, largest, 500):
        run, said = folder / f"limit {size}", ""
        with file_size_limit(size):
            try:
                train(run)
            except DeepNRCError as error:
                said = str(error)
        train(run)
        wrong = different(run, expected)
        if "the disk or quota is full" not in said:
            wrong.append(f"not said: {said}")
        tries.add("told and resumed", f"limit {size}: {wrong}" if wrong else "")
    return tries


def _without(tries, folder, module, name, codes, expected):
    real = getattr(module, name)
    for code in codes:

        def fail(*arguments, code=code):
            raise OSError(code, os.strerror(code))

        setattr(module, name, fail)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                train(folder / str(code))
            wrong = different(folder / str(code), expected)
        except Exception as error:
            wrong = [str(error)]
        finally:
            setattr(module, name, real)
        tries.add("trained", f"{errno.errorcode[code]}: {wrong}" if wrong else "")


def no_locks(folder):
    """flock that the file system does not offer."""
    tries, expected = Tries(), run_contents(finished(folder / "whole"))
    codes = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
    _without(tries, folder, fcntl, "flock", codes, expected)
    return tries


def no_fsync(folder):
    """fsync that the file system does not offer, of files and folders."""
    tries, expected = Tries(), run_contents(finished(folder / "whole"))
    _without(tries, folder, os, "fsync", (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP), expected)
    return tries


def hostile(folder):
    """Records, headers, names and links that no honest program writes."""
    tries = Tries()
    whole = finished(folder / "whole")
    record = json.loads((whole / "measurements" / "epoch-000002.json").read_text())
    path = folder / "m.json"
    for name, content in _bad_records(record):
        path.write_bytes(content)
        _refused(tries, name, lambda: load_measurement(path), "m.json")
    for header in ("[]", "{", "[" * 9999, '{"layout": 1}', '{"layout": "a", "description": 1e999}'):
        _save_tensors(folder / "t", header)
        _refused(tries, header[:20], lambda: read_tensors(folder / "t", "a", advice="x"), "/t'")
    for content in (b"", b"\xff" * 8 + b"{}", (2**62).to_bytes(8, "little") + b"{}", b"\0" * 99):
        (folder / "t").write_bytes(content)
        _refused(tries, "header", lambda: read_tensors(folder / "t", "a", advice="x"), "/t'")
    for name in ("../../x", "/x", "..", ".", "", "a/b", "a\\b", "a\x1b[2J", "a\0", "a\n"):
        _refused(tries, name, lambda n=name: named_folder("runs", n), "name")
    (folder / "outside").mkdir()
    for name in ("checkpoints", "measurements", "figures", "log.jsonl", "sessions.jsonl", ".lock"):
        run = copied(whole, folder / "received")
        if (run / name).is_dir():
            shutil.rmtree(run / name)
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(folder / "outside")
        _refused(tries, f"link {name}", lambda r=run: train(r), name)
        if list((folder / "outside").iterdir()):
            tries.failures.append(f"link {name}: written outside")
        if not check_run(run)[0]:
            tries.failures.append(f"link {name}: check did not tell")
    for name in (
        "config.toml",
        "manifest.json",
        "provenance.json",
        "checkpoints/latest.safetensors",
    ):
        run = copied(whole, folder / "received")
        (run / name).unlink()
        os.mkfifo(run / name)
        _refused(
            tries,
            f"pipe {name}",
            lambda r=run: train(r),
            name,
            allowed=name[:4] in ("conf", "prov"),
        )
    return tries


def _bad_records(document):
    whole = json.dumps(document)
    bad = [
        float("nan"), float("inf"), 10**400, "many", -3, True, [], {}, "\x1b[2J",
    ]  # fmt: skip
    for key in ("samples", "layers", "target_mean", "undefined", "center", "version"):
        for value in bad:
            if not (value == {} and key == "undefined") and not isinstance(
                value, type(document["record"][key])
            ):
                changed = {**document, "record": {**document["record"], key: value}}
                yield f"{key} = {value!r}"[:50], json.dumps(changed).encode()
    for version in (-3, 0, 99, "2", None, True, 1.5, [2]):
        yield f"version {version}", json.dumps({**document, "version": version}).encode()
    for text in ("[" * 10**5, '{"a":' * 10**5, "1" * 5000, '{"a": 1, "a": 1}', "null", "[]", ""):
        yield text[:20], text.encode()
    yield "1e999", whole.replace('"linear_cka": 0', '"linear_cka": 1e999, "x": 0').encode()
    yield "not UTF-8", b"\xff\xfe" + whole.encode()


def _save_tensors(path, header):
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, path, metadata={"deepnrc": header})


def _refused(tries, name, act, file, *, allowed=False):
    try:
        act()
    except DeepNRCError as error:
        text = str(error)
        bad = "" if file in text and "\x1b" not in text else f"{name!r}: {text}"
        tries.add("named", bad)
    except Exception as error:
        tries.add("raw error", f"{name!r}: {type(error).__name__}: {error}")
    else:
        tries.add("made again" if allowed else "accepted", "" if allowed else f"{name!r}: accepted")


def listed(folder):
    """200 finished runs in a folder, which a sweep looks at before it trains what is missing."""
    from faults.runs import config

    whole = finished(folder / "whole")
    for number in range(200):
        shutil.copytree(whole, folder / "sweep" / str(number))
    tries, start = Tries(), time.perf_counter()
    done = [RunFolder(folder / "sweep" / str(n)).is_finished(config()) for n in range(200)]
    seconds = time.perf_counter() - start
    wrong = "" if all(done) and seconds < 1.0 else f"{sum(done)} found in {seconds:.2f} s"
    for _ in done:
        tries.add("listed")
    tries.failures += [wrong] if wrong else []
    return tries
