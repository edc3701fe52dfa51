"""The shipped JSON Schemas are those that records are checked by."""

import json

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.training.runs.schemas import SCHEMAS, current_schema, schema_text, write_schemas


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_shipped_one_is_that_of_the_code(kind):
    again = "python -m deepnrc.training.runs.schemas src/deepnrc/storage/schemas"
    assert schema_text(kind) == current_schema(kind), f"write it again: {again}"
    assert json.loads(schema_text(kind))["$schema"].startswith("https://json-schema.org/")


def test_ranges_and_fields_are_in_it():
    layer = json.loads(schema_text("measurement"))["$defs"]["LayerMeasurement"]
    noise = layer["properties"]["noise_component"]["anyOf"][0]
    assert (noise["minimum"], noise["maximum"]) == (-1e-6, 1 + 1e-6)  # with room for rounding
    assert layer["additionalProperties"] is False
    assert {"name", "width", "rows"} <= set(layer["required"])


def test_they_are_written_together(tmp_path):
    write_schemas(tmp_path)
    assert sorted(file.stem for file in tmp_path.iterdir()) == sorted(SCHEMAS)


def test_an_unknown_kind_is_named():
    with pytest.raises(
        ArgumentError, match=r"there is no schema 'measure': did you mean 'measurem"
    ):
        schema_text("measure")
