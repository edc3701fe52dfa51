from importlib.metadata import EntryPoint

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.support import registry as module
from deepnrc.support.registry import Registry


@pytest.fixture
def numbers(monkeypatch):
    """A registry of whole numbers with one built in; packages offer what the test adds."""
    offered = []
    monkeypatch.setattr(module, "entry_points", lambda group: offered if group == "x.y" else [])
    return Registry("number", "x.y", int, {"bits": "sys:maxsize"}), offered


def test_built_in_offered_and_registered(numbers):
    numbers, offered = numbers
    offered.append(EntryPoint("recursion", "sys:hexversion", "x.y"))
    assert numbers.register("seven", 7) == 7
    assert numbers.names() == ("bits", "recursion", "seven")
    assert numbers.find("seven") == 7
    assert numbers.find("bits") > 2**31
    assert numbers.find("recursion") > 0
    numbers.unregister("seven")
    numbers.unregister("never")
    assert numbers.names() == ("bits", "recursion")


def test_an_item_that_is_built_in_itself():
    numbers = Registry("number", "x.z", int | float, {"one": 1})
    assert numbers.find("one") == 1
    with pytest.raises(ArgumentError, match=r"expected a int \| float, got str"):
        numbers.register("two", "2")


def test_a_name_that_is_not_known(numbers):
    numbers, _ = numbers
    expected = "there is no number 'bit': did you mean 'bits'\\? There are bits"
    with pytest.raises(ArgumentError, match=expected):
        numbers.find("bit")
    with pytest.raises(ArgumentError, match="there is no number 'a': There are none"):
        Registry("number", "x.z", int).find("a")


def test_a_name_is_given_once(numbers):
    numbers, offered = numbers
    offered.append(EntryPoint("two", "sys:hexversion", "x.y"))
    for name in ("bits", "two"):
        with pytest.raises(ArgumentError, match=f"there is a number '{name}' already: choose"):
            numbers.register(name, 1)


def test_a_package_cannot_replace_what_is_built_in(numbers):
    numbers, offered = numbers
    offered.append(EntryPoint("bits", "sys:hexversion", "x.y"))
    import sys

    assert numbers.find("bits") == sys.maxsize


def test_items_of_another_type(numbers):
    numbers, offered = numbers
    with pytest.raises(ArgumentError, match=r"number 'a' of register\(\): expected a int, got str"):
        numbers.register("a", "1")
    offered.append(EntryPoint("path", "sys:path", "x.y"))
    expected = "number 'path' of the entry point 'sys:path' of an unknown package: expected a int"
    with pytest.raises(ArgumentError, match=expected):
        numbers.find("path")


def test_a_package_that_cannot_be_imported(numbers):
    numbers, offered = numbers
    offered.append(EntryPoint("gone", "nosuch.part:thing", "x.y"))
    with pytest.raises(
        ArgumentError,
        match=r"number 'gone' is offered by the entry point 'nosuch.part:thing' of an unknown "
        r"package, which cannot be imported \(ModuleNotFoundError: No module named 'nosuch'\): "
        "update or remove that package",
    ):
        numbers.find("gone")
