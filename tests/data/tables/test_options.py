import json

import pytest

from deepnrc.data.tables.options import READING, read_options
from deepnrc.errors import ArgumentError


def test_what_is_not_given_is_not_recorded():
    assert read_options().given == {}
    assert read_options(sep=None, missing="drop").given == {"missing": "drop"}


def test_words_and_single_values():
    options = read_options(sep="tab", index=[0, "id"], na_values=-999, encoding="Latin-1")
    assert (options.sep, options.index, options.encoding) == ("\t", (0, "id"), "iso8859-1")
    assert (options.na_texts, options.na_numbers) == ({"-999"}, (-999.0,))
    assert read_options(sep="\\t").sep == "\t"
    assert read_options(sep=r"\s+").sep == " "
    json.dumps(options.given)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"sep": "ab"},
            r"sep must be one character that numbers do not need, .*; got 'ab': choose",
        ),
        ({"sep": ""}, "sep must be one character"),
        ({"sep": "."}, "sep must be one character that numbers do not need"),
        ({"sep": 3}, "sep must be one character .*; got 3"),
        ({"sep": ",", "decimal": ","}, "sep must be another character than decimal; got ','"),
        ({"decimal": ";"}, r"decimal must be '\.' or ','; got ';'"),
        ({"encoding": "utf8x"}, "encoding must be one that Python knows, .*; got 'utf8x'"),
        ({"missing": "ignore"}, "missing must be 'refuse' or 'drop'; got 'ignore'"),
        ({"empty_lines": True}, "empty_lines must be 'refuse' or 'skip'; got True"),
        ({"booleans": 1}, "booleans must be true or false; got 1"),
        ({"header": ["a", "a"]}, "header must be different names, one a column; got"),
        ({"header": [1]}, "header must be or hold str; got 1"),
        ({"index": [1.5]}, "index must be or hold str or int; got 1.5"),
        ({"index": True}, "index must be or hold str or int; got True"),
        ({"na_values": [None]}, "na_values must be or hold str or int or float; got None"),
    ],
)
def test_values_that_are_none(option, message):
    with pytest.raises(ArgumentError, match=message):
        read_options(**option)


def test_every_option_has_its_meaning():
    for name in READING:
        read_options(**{name: None})
