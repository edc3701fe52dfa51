"""Records to JSON's values and back."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from deepnrc.storage.records import plain, restored


@dataclass(frozen=True)
class Inner:
    value: float
    name: str | None


@dataclass(frozen=True)
class Outer:
    count: int
    values: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]
    inner: Inner
    several: tuple[Inner, ...]
    reasons: Mapping[str, str]
    flag: bool | None
    maybe: Inner | None = None
    later: float | None = None
    extra: Mapping[str, float] = dataclasses.field(default_factory=dict)


def example(**changes):
    record = Outer(
        count=2,
        values=(0.1, math.nan),
        matrix=((1.0, math.nan), (0.3, 4.0)),
        inner=Inner(math.nan, None),
        several=(Inner(1.0, "a"), Inner(2.0, "b")),
        reasons={"values": "why"},
        flag=None,
        extra={"mine": 0.5, "undefined": math.nan},
    )
    return dataclasses.replace(record, **changes)


@pytest.mark.parametrize("changes", [{}, {"maybe": Inner(1.5, None), "later": 0.5, "flag": True}])
def test_a_record_comes_back_whole_through_json(changes):
    record = example(**changes)
    text = json.dumps(plain(record), allow_nan=False)
    back = restored(Outer, json.loads(text))
    assert repr(back) == repr(record)  # NaN equals NaN there
    assert type(back.matrix[0]) is tuple
    assert type(back.several[0]) is Inner


def test_infinity_comes_back():
    values = json.loads(json.dumps(plain((math.inf, -math.inf, 1.0)), allow_nan=False))
    assert values == ["inf", "-inf", 1.0]
    assert restored(tuple[float, ...], values) == (math.inf, -math.inf, 1.0)


def test_tensors_arrays_and_lists_are_lists():
    value = {"a": torch.tensor([1.0, math.nan]), "b": [np.float32(0.5), np.arange(2)]}
    assert plain(value) == {"a": [1.0, None], "b": [0.5, [0, 1]]}
    assert plain(Inner(torch.ones(2), None)) == {"value": [1.0, 1.0], "name": None}


def test_fields_that_a_later_version_added_take_their_defaults():
    values = plain(example(maybe=Inner(1.0, "a"), extra={"x": 1.0}))
    del values["maybe"], values["later"], values["extra"]
    back = restored(Outer, values)
    assert (back.maybe, back.later, back.extra) == (None, None, {})


def test_a_missing_field_is_an_error():
    values = plain(example())
    del values["count"]
    with pytest.raises(KeyError, match="count"):
        restored(Outer, values)
