"""Indented JSON: the text of the standard library, faster."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.storage.indented import indented

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES)
def test_it_is_the_text_of_the_standard_library(value):
    assert indented(value) == json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)


def test_what_json_does_not_have_is_refused():
    for value, error in (
        ([float("nan")], ValueError),
        ([1.0, float("-inf")], ValueError),
        ({"a": float("inf")}, ValueError),
        ({"a": object()}, TypeError),
        ({1: 2}, TypeError),
    ):
        with pytest.raises(error):
            indented(value)
