"""The names of weights in a checkpoint, matched to those of a model."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from deepnrc.cli.checkpoint_file import listed
from deepnrc.errors import FileError

__all__ = ["matched", "under_prefix"]

T = TypeVar("T")

_COMPILED = "_orig_mod."  # of torch.compile, also around a single block
_AVERAGED = "n_averaged"  # a counter of torch's AveragedModel
# Names that torch's parametrizations give to what its older weight_norm and spectral_norm held.
_OLDER = (
    (re.compile(r"parametrizations\.(\w+)\.original0$"), r"\1_g"),
    (re.compile(r"parametrizations\.(\w+)\.original1$"), r"\1_v"),
    (re.compile(r"parametrizations\.(\w+)\.original$"), r"\1_orig"),
    (re.compile(r"parametrizations\.(\w+)\.0\._([uv])$"), r"\1_\2"),
)


def matched(state: Mapping[str, T], expected: Iterable[str]) -> dict[str, T]:
    """A checkpoint under the model's names, as far as they can be told.

    Left out is what wrappers and trainers put before all names, and the differences between the
    older and the newer names of normed weights. Names without a partner stay as they are.

    Args:
        state: Of the checkpoint.
        expected: Names of the model.
    """
    own = {_canonical(name): name for name in expected}
    found = {_canonical(name): name for name in state if name != _AVERAGED}
    prefix = _prefix(found, own)
    names = {found[name]: name.removeprefix(prefix) for name in found}
    return {own.get(short, short): state[name] for name, short in names.items()}


def under_prefix(state: Mapping[str, T], prefix: str, path: Path) -> dict[str, T]:
    """What stands under a prefix, without it.

    Args:
        state: Of the checkpoint.
        prefix: With or without the dot at its end.
        path: Of the checkpoint, for messages.

    Raises:
        FileError: Nothing does.
    """
    start = prefix if prefix.endswith(".") else f"{prefix}."
    found = {name.removeprefix(start): x for name, x in state.items() if name.startswith(start)}
    if not found:
        there = dict.fromkeys(name.partition(".")[0] + "." for name in state if "." in name)
        raise FileError(
            f"checkpoint '{path}' has no name under --prefix {prefix}; there are {listed(there)}"
        )
    return found


def _canonical(name: str) -> str:
    name = name.replace(_COMPILED, "")
    for pattern, older in _OLDER:
        name = pattern.sub(older, name)
    return name


def _prefix(found: Iterable[str], own: Mapping[str, str]) -> str:
    """What stands before most names of the model."""
    ends: dict[str, list[str]] = {}
    for name in own:
        ends.setdefault(name.rpartition(".")[2], []).append(name)
    counts: Counter[str] = Counter()
    for name in found:
        for end in ends.get(name.rpartition(".")[2], ()):
            prefix = name.removesuffix(end)
            if name.endswith(end) and (not prefix or prefix.endswith(".")):
                counts[prefix] += 1
    return max(counts, key=counts.__getitem__, default="")
