"""Text tables: what is read, and the words for what is not."""

import csv
import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepnrc.data.tables.options import read_options
from deepnrc.data.tables.reading import open_table
from deepnrc.data.tables.text import _Pass
from deepnrc.errors import DataError, DeepNRCError


def read(folder, content, names=("a", "y"), name="t.csv", **options):
    """Values and places of the columns."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(path, read_options(**options)).read(names)


GOOD = [
    ("a,y\n1,2\n3,4\n", {}, [[1, 2], [3, 4]]),
    ("a,y\r\n1,2\r\n3,4", {}, [[1, 2], [3, 4]]),
    ("a,y\r1,2\r", {}, [[1, 2]]),
    ("a, y \n 1 ,  2\n", {}, [[1, 2]]),
    ('"a","y"\n"1","2"\n', {}, [[1, 2]]),
    ("\ufeffa,y\n1,2\n", {}, [[1, 2]]),
    ("a,y\n1,2\n\n\n", {}, [[1, 2]]),
    ("a,y\n1,NA\n,2\n", {}, [[1, math.nan], [math.nan, 2]]),
    ("a,y\n1,-999\n?,2\n", {"na_values": [-999, "?"]}, [[1, math.nan], [math.nan, 2]]),
    ("a,y\n1,-999.0\n1,-9e2\n", {"na_values": -999}, [[1, math.nan], [1, -900]]),
    ("a;y\n1,5;-2,25e1\n", {"sep": ";", "decimal": ","}, [[1.5, -22.5]]),
    ("a\ty\n1\t2\n", {"sep": "tab"}, [[1, 2]]),
    ("a  y\n 1   2\n", {"sep": "space"}, [[1, 2]]),
    ("1,2\n3,4\n", {"header": ["a", "y"]}, [[1, 2], [3, 4]]),
    (",a,y\n0,1,2\n", {"index": 0}, [[1, 2]]),
    ("a,y\n0,1,2\n1,3,4\n", {"index": 0}, [[1, 2], [3, 4]]),  # as R writes row names
    ("i,a,y\nx,1,2\n", {"index": "i"}, [[1, 2]]),
    ("a,y,\n1,2,\n", {"index": -1}, [[1, 2]]),
    ("a,y\nTrue,false\n", {"booleans": True}, [[1, 0]]),
    ("a,y\n1,2\n\n3,4\n", {"empty_lines": "skip"}, [[1, 2], [3, 4]]),
    ("a,note,y\n1,some text,2\n", {}, [[1, 2]]),  # a column that nobody asked for
    ("2019,a,y\n0,1,2\n", {}, [[1, 2]]),  # years are names
    ("a,y\n9007199254740992,1e300\n", {}, [[2.0**53, 1e300]]),
]


@pytest.mark.parametrize(("content", "options", "expected"), GOOD)
def test_what_is_read(tmp_path, content, options, expected):
    rows = read(tmp_path, content, **options)
    np.testing.assert_array_equal(rows.values, np.array(expected, dtype=float))


BAD = [
    # More or fewer fields than the header.
    ("a,b,y\n1,2,3,0\n", {}, r"t\.csv, line 2: rows must have a field for each of 3 columns; got.*"
     r"the header has no name for the first or the last field: pass index=0 if"),
    ("a,y\n1,2\n3,4,\n", {}, r"line 3: .* of 2 columns; got 3: the line ends with ',', which beg.*"
     r"one more, empty field: remove it .* pass index=-1"),
    ("a,y\n1,2\n3", {}, r"line 3: .*; got 1: the line was cut off or fields are missing: complete"),
    ("a,y,\n1,2\n", {}, r"line 2: .* got 2: the header ends with ',', which the rows do not"),
    ("a,y\n1,2,3,4\n", {}, r"got 4: put fields that hold ',' in quotes, or pass sep=… and decimal"),
    ("1,2\n1,2,3\n", {"header": ["a", "y"]}, r"line 2: .* each of 2 names of header=…; got 3"),
    # Names.
    ("a,y,y\n1,2,3\n", {}, r"must have different names; got 'y' twice, in columns 2 and 3: rename"),
    ("a,y, y\n1,2,3\n", {}, r"got 'y' twice, in columns 2 and 3"),
    ("0.5,2\n1,2\n", {}, r"first line must name the columns; got the number '0\.5': pass header="),
    ("1,2\n1,2\n", {}, r"the first line must name the columns; got the number '1'"),
    ("a;y\n1,5;2\n", {}, r"got one name, 'a;y': pass sep=';', with decimal=',' for numbers like"),
    ("a\ty\n1\t2\n", {}, r"got one name, 'a\\ty': pass sep='\\t'$"),
    ("b,y\n1,2\n", {}, r"t\.csv has no column 'a': Its columns: 'b', 'y'"),
    ("a,y\n1,2\n", {"index": "z"}, r"has no column 'z'"),
    ("a,y\n1,2\n", {"index": 2}, r"index must be a column of t\.csv, from 0 to 1; got 2: pass"),
    # Cells.
    ("a,y\n1,2\nx1,2\n", {}, r"line 3: column 'a' must hold numbers; got 'x1': text: correct it,.*"
     r"na_values=\['x1'\] if it stands for a missing value, or leave the column out with inputs"),
    ("a,y\n1_000,2\n", {}, r"got '1_000': text"),
    ("a,y\n０,2\n", {}, r"got '０': text"),
    ("a,y\n0x10,2\n", {}, r"got '0x10': text"),
    ('a,y\n"1,5",2\n', {}, r"got '1,5': a comma within a number: pass decimal=',', or remove"),
    ('a,y\n"1,234,567",2\n', {}, r"got '1,234,567': text"),
    ("a;y\n1,5;2\n1.5;2\n", {"sep": ";", "decimal": ","}, r"line 3: .* got '1\.5': a point, alth"),
    ("a;y\n1.234,5;2\n", {"sep": ";", "decimal": ","}, r"got '1\.234,5': a point, although decim"),
    ("a,y\nTrue,2\n", {}, r"got 'True': a truth value: pass booleans=True to read true as 1"),
    ("a,y\n2020-01-31,2\n", {}, r"got '2020-01-31': a date or time: make it a number first"),
    ("a,y\n31.12.2020,2\n", {}, r"got '31\.12\.2020': a date"),
    ("a,y\n2020-01-31T10:00:00Z,2\n", {}, r"a date or time"),
    ("a,y\n10:30,2\n", {}, r"a date or time"),
    ("a,y\n1+2j,2\n", {}, r"got '1\+2j': a complex number: store its real and imaginary part"),
    ("a,y\n9007199254740993,2\n", {}, r"got '9007199254740993': an integer beyond 2\^53, which f"),
    ("a,y\n-36028797018963969,2\n", {}, r"an integer beyond 2\^53"),
    # Lines.
    ("a,y\n1,2\n\n3,4\n", {}, r"line 3 is empty, and rows follow: remove it, or pass empty_lines"),
    ("", {}, r"t\.csv is empty: check that it was written and copied completely"),
    ("\n\n", {}, r"must have a header and rows; got only empty lines"),
    ("a,y\n", {}, r"must have rows of numbers; got none below the header"),
    ('a,y\n"1,2\n3,4\n', {}, r"line 3: unexpected end of data: quotes must stand around whole fi"),
    ('a,y\n"1"2,3\n', {}, r"line 2: ',' expected after '\"': quotes must"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "message"), BAD)
def test_what_is_refused(tmp_path, content, options, message):
    with pytest.raises(DeepNRCError, match=message):
        read(tmp_path, content, **options)


def test_a_single_column_has_missing_values_in_its_empty_lines(tmp_path):
    rows = read(tmp_path, "y\n1\n\n2\n\n", ["y"])
    np.testing.assert_array_equal(rows.values, [[1], [np.nan], [2]])


def test_places_are_lines_of_the_file(tmp_path):
    rows = read(tmp_path, 'a,"y\nz"\n1,2\n3,"4"\n', ["a"])
    assert [rows.place(row) for row in range(2)] == ["line 3", "line 4"]
    rows = read(tmp_path, "a,y\n1,2\n\n\n3,x\n5,6", ["a"], empty_lines="skip")
    assert [rows.place(row) for row in range(3)] == ["line 2", "line 5", "line 6"]
    assert rows.facts == {"empty_lines_skipped": 2}


def test_lines_after_the_first_thousands_are_counted_on(tmp_path):
    content = "a,y\n" + "1,2\n" * 20000
    assert len(read(tmp_path, content).values) == 20000
    with pytest.raises(DataError, match=r"line 20002: column 'a' must hold numbers; got 'x'"):
        read(tmp_path, content + "x,2\n")
    with pytest.raises(DataError, match=r"line 20002: rows must have"):
        read(tmp_path, content + "1\n")


def test_names_with_line_ends_are_shown_escaped(tmp_path):
    with pytest.raises(DataError, match=r"column 'b\\nc' must hold numbers; got 'x\\x1b\[2J'"):
        read(tmp_path, 'a,"b\nc"\n1,x\x1b[2J\n', ["b\nc"])


floats = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(floats, min_size=width, max_size=width), min_size=1, max_size=9)
)


@settings(max_examples=60)
@given(tables, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from([".", ","]), st.booleans())
def test_what_pandas_writes_is_read_the_same(tmp_path_factory, values, sep, decimal, quoted):
    if sep == decimal:
        return
    names = [f"column {i}" for i in range(len(values[0]))]
    content = pd.DataFrame(values, columns=names).to_csv(
        sep=sep,
        decimal=decimal,
        index=False,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    folder = tmp_path_factory.mktemp("pandas")
    rows = read(folder, content, names, sep=sep, decimal=decimal)
    np.testing.assert_array_equal(rows.values, np.array(values, dtype=float))


def twin(content):
    """Slow and obvious: split at commas, Python's own float."""
    _, *lines = io.StringIO(content).read().splitlines()
    return np.array([[float(cell) for cell in line.split(",")] for line in lines], dtype=float)


cells = st.one_of(
    st.from_regex(r"[0-9.eE+-]{1,6}", fullmatch=True), floats.map(repr), st.integers().map(str)
)


@settings(max_examples=200)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=4))
def test_the_fast_way_reads_and_refuses_as_the_careful_one(tmp_path_factory, rows):
    content = "a,y\n" + "".join(f"{a},{y}\n" for a, y in rows)
    folder = tmp_path_factory.mktemp("fast")
    found = []
    for plain in (_Pass._plain, lambda self, block: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_Pass, "_plain", plain)
            try:
                found.append(read(folder, content).values.tolist())
            except DeepNRCError as error:
                found.append(str(error))
    assert found[0] == found[1]
    if not isinstance(found[0], str):
        assert found[0] == twin(content).tolist()
