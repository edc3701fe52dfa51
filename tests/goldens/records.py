"""The full records of the golden cases: made, stored and compared.

``python -m goldens.records`` (from ``tests/``) compares every number and text exactly, as each
commit that only moves code must leave them; ``--write`` stores what the code gives now, for a
commit that changes a number or a text on purpose.
"""

import copy
import dataclasses
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import deepnrc
from goldens.cases import CASES

__all__ = ["STORED", "differences", "made"]

STORED = Path(__file__).with_name("records.json")


def made(name: str) -> dict[str, Any]:
    """Measurement and diagnosis of a case, as records and as text."""
    case = CASES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, batches = case.make()
    measurement = deepnrc.measure(model, batches, progress=False, **copy.copy(case.measure))
    diagnosis = deepnrc.diagnose(measurement, **case.diagnose)
    record = measurement.to_dict()
    del record["version"]
    return {
        "measurement": record,
        "measurement_text": str(measurement).splitlines(),
        "diagnosis": _plain(dataclasses.asdict(diagnosis)),
        "diagnosis_text": str(diagnosis).splitlines(),
    }


def differences(
    stored: Any, now: Any, *, rtol: float, atol: float, texts: bool = True, path: str = ""
) -> Iterator[str]:
    """Lines "place: stored, now" for all that differs by more than the tolerances."""
    if isinstance(stored, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*stored, *now]):
            if not texts and key.endswith("_text"):
                continue
            where = f"{path}.{key}"
            yield from differences(
                stored.get(key), now.get(key), rtol=rtol, atol=atol, texts=texts, path=where
            )
    elif isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        for i, (a, b) in enumerate(zip(stored, now, strict=True)):
            yield from differences(a, b, rtol=rtol, atol=atol, texts=texts, path=f"{path}[{i}]")
    elif isinstance(stored, float) and isinstance(now, float):
        if not math.isclose(stored, now, rel_tol=rtol, abs_tol=atol):
            yield f"{path}: {stored!r}, now {now!r}"
    elif isinstance(stored, str) and isinstance(now, str) and not texts:
        return
    elif stored != now:
        yield f"{path}: {stored!r}, now {now!r}"


def _plain(value: Any) -> Any:
    """What JSON holds; numbers that are not finite become their text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def main(arguments: list[str]) -> int:
    """Write, or compare exactly."""
    torch.set_num_threads(1)
    records = {name: made(name) for name in CASES}
    if "--write" in arguments:
        lines = [
            f"{json.dumps(name)}: {json.dumps(r, ensure_ascii=False)}"
            for name, r in records.items()
        ]
        STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    found = list(
        differences(stored, records, rtol=0.0, atol=0.0, texts="--numbers" not in arguments)
    )
    print("\n".join(found[:40]) or f"{len(records)} cases: all equal")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
