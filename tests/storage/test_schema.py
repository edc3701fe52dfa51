"""Records against their schema: types, ranges, fields; the wrong one is named."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from deepnrc.errors import FileError
from deepnrc.storage.records import plain
from deepnrc.storage.schema import check_record, json_schema


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str
    share: float = field(default=0.5, metadata={"low": 0.0, "high": 1.0})


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    rank: int = field(default=1, metadata={"low": -1})
    size: float = field(default=1.0, metadata={"low": 1.0})
    rcond: float = field(default=0.0, metadata={"stored_as": "rtol"})
    kind: str = field(default="a", metadata={"one_of": ("a", "b")})
    inner: tuple[Inner, ...] = ()
    pair: tuple[str, str | None] = ("x", None)
    extra: Mapping[str, float] = field(default_factory=dict)
    maybe: Inner | None = None
    flag: bool = True


def check(record):
    check_record(Outer, record, "file", advice="do this")


def test_what_plain_gives_passes():
    check(plain(Outer(count=3, inner=(Inner(name="i"),), maybe=Inner(name="m"))))
    odd = Outer(count=0, rank=-1, size=float("inf"), rcond=float("nan"), extra={"x": -1e308})
    check({**plain(odd), "pair": ["x", "y"]})
    check({"count": 2**63 - 1})
    check({"count": 1, "size": 1 - 1e-9, "inner": [{"name": "", "share": 1 + 1e-9}]})  # rounding


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "the field count is missing"),
        ({"count": "many"}, "count must be a valid integer; got 'many'"),
        ({"count": True}, "count must be a valid integer; got True"),
        ({"count": 1.5}, "count must be a valid integer; got 1.5"),
        ({"count": -1}, "count must be at least 0; got -1"),
        ({"count": 2**63}, "count must be at most 9.22337e+18; got 9223372036854775808"),
        ({"count": 1, "size": 0.5}, "size must be at least 1; got 0.5"),
        ({"count": 1, "rtol": "nan"}, "rtol must be a valid number; got 'nan'"),
        ({"count": 1, "rcond": 1.0}, "the field rcond is not known to this version"),
        ({"count": 1, "kind": "c"}, "kind must be 'a' or 'b'; got 'c'"),
        ({"count": 1, "inner": [{"name": 1}]}, "inner[0].name must be a valid string; got 1"),
        (
            {"count": 1, "inner": [{"name": "", "share": 1.1}]},
            "inner[0].share must be at most 1; got 1.1",
        ),
        ({"count": 1, "maybe": {"name": 1}}, "maybe.name must be a valid string; got 1"),
        ({"count": 1, "extra": {"x\x1b": []}}, r"extra.x\x1b must be a valid number; got []"),
        ({"count": 1, "flag": 1}, "flag must be a valid boolean; got 1"),
        ({"count": 1, "inner": "x" * 99}, f"inner must be a valid list; got '{'x' * 56}…"),
    ],
)
def test_the_wrong_field_is_named(record, message):
    with pytest.raises(FileError) as raised:
        check(record)
    assert str(raised.value) == f"'file': {message}: do this"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e999, "1", [1]])
def test_a_number_is_finite(value):
    with pytest.raises(FileError, match="rtol must be a"):
        check({"count": 1, "rtol": value})


def test_as_json_schema():
    schema = json_schema(Outer, "An outer")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "An outer"
    assert schema["required"] == ["count"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["count"] == {
        "maximum": 2**63 - 1, "minimum": 0, "title": "Count", "type": "integer",
    }  # fmt: skip
