"""How a table is to be read where its file does not say it."""

import codecs
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from deepnrc.errors import ArgumentError

__all__ = ["READING", "ReadOptions", "read_options"]

READING = {
    "sep": "what separates fields of a text file: ',' in .csv, a tab in .tsv and .tab, no default "
    "in .txt; 'tab', or 'space' for any number of blanks",
    "decimal": "'.' or ','; by default '.'",
    "encoding": "of a text file, such as 'latin-1'; by default UTF-8",
    "header": "names of the columns of a text file whose first line is not a header",
    "index": "columns to leave out, such as an index: names, or numbers from 0",
    "na_values": "further texts and numbers that stand for a missing value, such as -999",
    "missing": "'refuse' rows with missing values, the default, or 'drop' them",
    "booleans": "whether true and false are read as 1 and 0; by default they are refused",
    "empty_lines": "'refuse' empty lines between rows, the default, or 'skip' them",
    "member": "the table to read of a .zip that holds several files",
}
"""The options by name with their meaning."""

_WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "\\s+": " "}


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The options of `READING`, checked.

    Attributes:
        given: The options that were given, as JSON can hold them, for the provenance.
        sep: One character, `" "` for any number of blanks; empty is by the file's ending.
        decimal: ``"."`` or ``","``.
        encoding: A name that Python knows; empty is UTF-8.
        header: Names of the columns; empty is the file's first line.
        index: Names and numbers of columns to leave out.
        na_texts: Further texts for a missing value.
        na_numbers: Numbers for a missing value.
        drop_missing: Whether rows with missing values are left out.
        booleans: Whether true and false are read as 1 and 0.
        skip_empty: Whether empty lines between rows are skipped.
        member: Of a .zip; empty is the only table in it.
    """

    given: dict[str, object]
    sep: str = ""
    decimal: str = "."
    encoding: str = ""
    header: tuple[str, ...] = ()
    index: tuple[str | int, ...] = ()
    na_texts: frozenset[str] = frozenset()
    na_numbers: tuple[float, ...] = ()
    drop_missing: bool = False
    booleans: bool = False
    skip_empty: bool = False
    member: str = ""


def read_options(**options: Any) -> ReadOptions:
    """The options of `READING` that are given and not None.

    Raises:
        ArgumentError: An option has a value that it does not take.
    """
    given = {name: value for name, value in options.items() if value is not None}
    sep = given.get("sep", "")
    sep = _WORDS.get(sep, sep) if isinstance(sep, str) else ""
    decimal = given.get("decimal", ".")
    if "sep" in given and (len(sep) != 1 or sep in "\"'\r\n0123456789.+-eE"):
        _refuse("sep", "one character that numbers do not need, 'tab' or 'space'", given["sep"])
    if decimal not in (".", ","):
        _refuse("decimal", "'.' or ','", decimal)
    if decimal == sep:
        _refuse("sep", "another character than decimal", sep)
    for name, choices in (("missing", ("refuse", "drop")), ("empty_lines", ("refuse", "skip"))):
        if given.get(name, choices[0]) not in choices:
            _refuse(name, " or ".join(map(repr, choices)), given[name])
    if not isinstance(given.get("booleans", False), bool):
        _refuse("booleans", "true or false", given["booleans"])
    na_values = _several("na_values", given.get("na_values", ()), (str, int, float))
    header = _several("header", given.get("header", ()), (str,))
    if len(set(header)) < len(header) or "" in header:
        _refuse("header", "different names, one a column", list(header))
    return ReadOptions(
        given=given,
        sep=sep,
        decimal=decimal,
        encoding=_encoding(given.get("encoding", "")),
        header=header,
        index=_several("index", given.get("index", ()), (str, int)),
        na_texts=frozenset(str(value).strip() for value in na_values),
        na_numbers=tuple(number for value in na_values if (number := _number(value)) is not None),
        drop_missing=given.get("missing") == "drop",
        booleans=given.get("booleans", False),
        skip_empty=given.get("empty_lines") == "skip",
        member=str(given.get("member", "")),
    )


def _several(name: str, value: Any, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """One value or a sequence of them as a tuple."""
    many = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for one in many:
        if not isinstance(one, kinds) or isinstance(one, bool):
            _refuse(name, "or hold " + " or ".join(kind.__name__ for kind in kinds), one)
    return tuple(many)


def _encoding(name: Any) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except (LookupError, TypeError, ValueError):
        _refuse("encoding", "one that Python knows, such as 'utf-8', 'latin-1' or 'cp1252'", name)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _refuse(name: str, wanted: str, got: object) -> NoReturn:
    raise ArgumentError(f"{name} must be {wanted}; got {got!r}: choose one of these")
