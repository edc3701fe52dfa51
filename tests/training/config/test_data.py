"""How a table is read, by the keys of [data]."""

import pytest

from deepnrc.data.tables.options import READING
from deepnrc.errors import ArgumentError
from deepnrc.training.config.data import DataConfig
from deepnrc.training.config.file import config_text, parse_config
from deepnrc.training.runs.data import load_data

TOML = """
[data]
name = "tabular"
path = "{path}"
sep = ";"
na_values = [-999, "x"]
missing = "drop"
options.targets = ["y"]

[model]
kind = "mlp"

[training]
epochs = 1
lr = 0.1
"""


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "".join(f"{i},5;{i}\n" for i in range(10)) + "x;1\n1;-999\n")
    return TOML.format(path=path.as_posix())


def test_a_table_is_read_as_the_file_and_the_command_line_say(text):
    config = parse_config(text, ["data.decimal=,"], source="t.toml", name="t")
    data = load_data(config)
    assert len(data.train) + len(data.test) == 10
    assert data.provenance["reading"] == {
        "sep": ";",
        "decimal": ",",
        "na_values": [-999, "x"],
        "missing": "drop",
    }
    again = parse_config(config_text(config), source="again", name="t")
    assert load_data(again).provenance == data.provenance


def test_every_option_of_reading_is_a_key():
    assert set(READING) <= set(DataConfig.model_fields)
    assert DataConfig(name="tabular", index=0, booleans=True).of_set() == {
        "index": 0,
        "booleans": True,
    }


def test_keys_that_do_not_fit(text):
    config = parse_config(text, ["data.options.sep=,"], source="t.toml", name="t")
    with pytest.raises(
        ArgumentError, match=r"data\.sep must be given once; got it in data\.option"
    ):
        load_data(config)
    config = parse_config(text, ["data.missing=keep"], source="t.toml", name="t")
    with pytest.raises(ArgumentError, match="missing must be 'refuse' or 'drop'; got 'keep'"):
        load_data(config)
    config = parse_config(
        text.replace("tabular", "synthetic").replace("options.targets", "options.rank"),
        source="t.toml",
        name="t",
    )
    with pytest.raises(ArgumentError, match="is not an option of 'synthetic'"):
        load_data(config)
