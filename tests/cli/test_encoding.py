"""Characters that a terminal lacks."""

import io
import sys

from deepnrc.cli.encoding import print_anywhere


def test_near_characters_take_the_place_of_those_that_lack(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_anywhere()
    print("a ─ 3 × 4 ≤ √NRC1 → λ, R² é", flush=True)
    assert raw.getvalue() == b"a - 3 x 4 <= sqrtNRC1 -> lambda, R^2 ?\n"


def test_what_the_encoding_has_is_kept(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    print_anywhere()
    print("é R² ≤", flush=True)
    assert raw.getvalue().decode("latin-1") == "é R² <=\n"


def test_a_notebooks_stream_is_left_alone(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    print_anywhere()
    print("≤")
    assert stream.getvalue() == "≤\n"
