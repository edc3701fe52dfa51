from deepnrc.training.config.differences import differences
from deepnrc.training.config.file import plain_config


def test_differences_name_keys_and_both_values(parse):
    old, new = plain_config(parse()), plain_config(parse("model.width=3", "data.samples=9"))
    assert differences(old, new) == ["model.width: 64, now 3", "data.samples: not set, now 9"]
    assert differences(old, old) == []


def test_values_are_shown_as_toml():
    assert differences({"a": {"b": [1, "ü"]}}, {"a": {"b": 5e-05, "c": True}}) == [
        'a.b: [1, "ü"], now 5e-05',
        "a.c: not set, now true",
    ]
