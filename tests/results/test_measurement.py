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


def first(document):
    return document["record"]["layers"][0]


def altered(measurement, path, change):
    measurement.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["record"].pop("samples"), "the field samples is missing: it was altered, or"),
        (lambda d: first(d).pop("rows"), r"the field layers\[0\].rows is missing: it was altered"),
        (
            lambda d: d["record"]["skipped"][0].pop("reason"),
            r"the field skipped\[0\].reason is missing: .*; measure again or restore it",
        ),
        (lambda d: d["record"].update(layers=None), "layers must be a valid list; got None"),
        (lambda d: d["record"].update(layers=["fc1"]), r"layers\[0\] must be a valid dictionary;"),
        (
            lambda d: d["record"].update(samples="many"),
            "samples must be a valid integer; got 'm",
        ),
        (lambda d: d["record"].update(samples=-1), "samples must be at least 0; got -1"),
        (lambda d: d["record"].update(center="yes"), "center must be a valid boolean; got 'yes'"),
        (
            lambda d: d["record"].update(target_mean=["a"]),
            r"target_mean\[0\] must be a valid num",
        ),
        (
            lambda d: first(d).update(noise_component=-7.0),
            "noise_component must be at least 0;",
        ),
        (lambda d: first(d).update(linear_cka=2.0), "linear_cka must be at most 1; got 2.0"),
        (
            lambda d: first(d).update(linear_cka="abc"),
            "linear_cka must be a valid number; got",
        ),
        (lambda d: first(d).update(stable_rank="-inf"), "stable_rank must be .*; got '-inf'"),
        (
            lambda d: first(d).update(undefined=[1]),
            r"undefined must be a valid dictionary;",
        ),
        (lambda d: first(d).update(zz=1), r"the field layers\[0\].zz is not known to this version"),
        (
            lambda d: first(d).update({"a\x1b[2J": 1}),
            r"the field .*\.a\\x1b\[2J is not known",
        ),
        (
            lambda d: first(d).update(linear_cka=0.5),
            "was altered after it was written: its",
        ),
        (
            lambda d: d.update(version=3),
            "is a measurement of version 3; this deepnrc reads up to 2",
        ),
        (lambda d: d.update(kind="diagnosis"), r"holds a 'diagnosis'; expected one of"),
    ],
)
def test_altered_files_say_what_is_wrong(measurement, tmp_path, change, message):
    path = altered(measurement, tmp_path / "m.json", change)
    with pytest.raises(FileError, match=f"'{path}':? (layers.0..)?{message}"):
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
    del document["sha256"]  # which came later
    path.write_text(json.dumps(document))
    loaded = deepnrc.load(path)
    assert math.isnan(loaded["2"].entropy_rank)
    reason = "the record is older than this metric: measure again"
    assert loaded["2"].undefined["entropy_rank"] == reason
    assert loaded["2"].stable_rank == measurement["2"].stable_rank
    assert deepnrc.diagnose(loaded) == deepnrc.diagnose(measurement)
