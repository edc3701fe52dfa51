"""The record of a measurement: saved, loaded, altered."""

import dataclasses
import json
import math

import pytest

import deepnrc
from deepnrc.errors import FileError


def test_saving_and_loading_keep_every_field(measurement, tmp_path):
    path = tmp_path / "measurement.json"
    measurement.save(path)
    loaded = deepnrc.load(str(path))
    assert repr(loaded) == repr(measurement)
    for field in dataclasses.fields(measurement):
        assert type(getattr(loaded, field.name)) is type(getattr(measurement, field.name))
    layer = loaded["0.self_attn.out_proj"]
    assert math.isnan(layer.noise_component)
    assert layer.undefined["noise_component"].startswith("the layer saw no rows")
    assert str(loaded) == str(measurement)


def test_undefined_numbers_are_null_in_the_file(measurement, tmp_path):
    path = tmp_path / "measurement.json"
    measurement.save(path)
    text = path.read_text(encoding="utf-8")
    assert "NaN" not in text
    document = json.loads(text)
    assert (document["kind"], document["version"]) == ("measurement", 2)
    last = document["record"]["layers"][-1]
    assert last["noise_component"] is None
    assert last["undefined"]["noise_component"].startswith("the layer saw no rows")
    assert document["record"] == json.loads(json.dumps(measurement.to_dict()))


def test_a_dict_is_enough(measurement):
    assert repr(deepnrc.Measurement.from_dict(measurement.to_dict())) == repr(measurement)


def altered(measurement, path, change):
    measurement.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["record"].pop("samples"), "lacks a field of a measurement: 'samples'"),
        (lambda d: d["record"]["layers"][0].pop("rows"), "lacks a field of a measurement: 'rows'"),
        (lambda d: d["record"]["skipped"][0].pop("reason"), "lacks a field .*: 'reason'"),
        (lambda d: d["record"].update(layers=None), "lacks a field of a measurement: "),
        (lambda d: d["record"].update(layers=["fc1"]), "lacks a field of a measurement: "),
        (
            lambda d: d.update(version=3),
            "is a measurement of version 3; this deepnrc reads up to 2",
        ),
        (lambda d: d.update(kind="diagnosis"), r"holds a 'diagnosis'; expected one of"),
    ],
)
def test_altered_files_say_what_is_wrong(measurement, tmp_path, change, message):
    path = altered(measurement, tmp_path / "m.json", change)
    with pytest.raises(FileError, match=f"'{path}' {message}"):
        deepnrc.load(path)


def test_damaged_and_missing_files(measurement, tmp_path):
    path = tmp_path / "m.json"
    with pytest.raises(FileError, match=f"cannot read '{path}': No such file or directory"):
        deepnrc.load(path)
    measurement.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=f"'{path}' is not complete JSON .*: it was cut off"):
        deepnrc.load(path)
    nowhere = tmp_path / "none" / "m.json"
    with pytest.raises(FileError, match=f"cannot write '{nowhere}': No such file or directory"):
        measurement.save(nowhere)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.json"]


def test_a_file_that_is_older_than_a_metric(measurement, tmp_path):
    """As an earlier version wrote it, without a metric that was added since."""
    path = tmp_path / "m.json"
    measurement.save(path)
    document = json.loads(path.read_text())
    for layer in document["record"]["layers"]:
        del layer["entropy_rank"]
    path.write_text(json.dumps(document))
    loaded = deepnrc.load(path)
    assert math.isnan(loaded["2"].entropy_rank)
    reason = "the record is older than this metric: measure again"
    assert loaded["2"].undefined["entropy_rank"] == reason
    assert loaded["2"].stable_rank == measurement["2"].stable_rank
    assert deepnrc.diagnose(loaded) == deepnrc.diagnose(measurement)
