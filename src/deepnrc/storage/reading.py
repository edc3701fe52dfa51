"""Reading files that may be damaged or made to do harm: plain ones, bounded in size and depth."""

import errno
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.atomic import open_plain
from deepnrc.support.text import shown

__all__ = ["parse_json", "parse_toml", "read_bounded", "read_json"]

_BYTES = 256 * 2**20  # no record of this package comes near
_DEPTH = 64


def read_bounded(path: Path, *, limit: int = _BYTES) -> bytes:
    """The content of a plain file of at most this size.

    Raises:
        FileError: It is missing, not a plain file, or larger; links are followed.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        descriptor = open_plain(path.resolve(), os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise FileError(
                    f"'{shown(path)}' has {size:,} bytes; expected at most {limit:,}: it is "
                    "something else, or was altered"
                )
            return file.read()
    except FileError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot read '{shown(path)}': {reason}") from error


def read_json(path: Path) -> Any:
    """The value of a JSON file; raises as `read_bounded` and `parse_json`."""
    return parse_json(read_bounded(path), path)


def parse_json(content: bytes, path: Path, *, where: str = "") -> Any:
    """The value of a JSON text, without what JSON does not have or what hides an entry.

    Args:
        content: In UTF-8.
        path: The file it is from, for messages.
        where: The place in the file, for messages: ``"line 3"``.

    Raises:
        FileError: The text is not complete JSON, holds NaN or infinity, names an entry twice, or
            is nested more than 64 deep.
    """
    place = f"'{shown(path)}'" + (f" {where}" if where else "")
    try:
        value = json.loads(content, parse_constant=_refuse, object_pairs_hook=_unique)
        too_deep = content.count(b"[") + content.count(b"{") > _DEPTH and _is_deep(value)
    except ValueError as error:
        raise FileError(
            f"{place} is not complete JSON ({shown(error)}): it was cut off or altered"
        ) from error
    except RecursionError:
        too_deep = True
    if too_deep:
        raise FileError(f"{place} is nested more than {_DEPTH} deep: it was altered")
    return value


def parse_toml(text: str, *, source: str) -> dict[str, Any]:
    """The values of a TOML text.

    Args:
        text: TOML.
        source: What messages call it.

    Raises:
        ArgumentError: It is not valid TOML, or is nested more than 64 deep.
    """
    try:
        values = tomllib.loads(text)
        too_deep = _is_deep(values)
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{source} is not valid TOML: {error}") from error
    except RecursionError:
        too_deep = True
    if too_deep:
        raise ArgumentError(
            f"{source} must be nested at most {_DEPTH} deep; got more: it is damaged or made to do "
            "harm"
        )
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice}' stands in it twice")
    return values


def _is_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(_DEPTH):
        level = [
            item for holder in level for item in _items(holder) if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _items(holder: Any) -> Iterable[Any]:
    if isinstance(holder, dict):
        return holder.values()
    return holder if isinstance(holder, list) else ()
