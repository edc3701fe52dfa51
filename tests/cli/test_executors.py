"""The options of executors."""

from deepnrc.cli.executors import _parsed


def test_options_are_numbers_where_they_can_be():
    assert _parsed(["a=1", "b=0.5", "c=gpu=x"]) == {"a": 1, "b": 0.5, "c": "gpu=x"}
    assert isinstance(_parsed(["a=1"])["a"], int)
    assert _parsed(['resources={"disk": 2}']) == {"resources": {"disk": 2}}
