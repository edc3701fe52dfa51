"""In which keys two configurations, or other records of plain values, differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["differences"]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines "key: old, now new" for each key in which two nested mappings differ."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key}: {_shown(before, key)}, now {_shown(after, key)}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _shown(values: Mapping[str, Any], key: str) -> str:
    # JSON writes numbers, strings, truth values and lists of them as TOML does.
    return json.dumps(values[key], ensure_ascii=False, default=str) if key in values else "not set"
