"""The table of a sweep holds every value, with every digit."""

import math
import sys

import pandas as pd
import pytest

import deepnrc
from deepnrc.errors import ArgumentError
from deepnrc.training.sweeps.expand import expand
from deepnrc.training.sweeps.table import check_table, tidy_frame, write_table
from sweeping import make, sweep


def test_the_table_holds_every_value(swept):
    out, members, _, _, _ = swept
    frame = tidy_frame(members, out)
    assert list(frame.columns) == [
        "run", "training.weight_decay", "seed", "part", "epoch", "layer", "metric", "value",
    ]  # fmt: skip
    metrics = len(deepnrc.load(out / members[0].name / "measurements/epoch-000000.json")[0].values)
    assert len(frame) == 4 * 2 * 2 * (2 + 2 * metrics)  # runs, epochs, parts, (model + layers)
    record = deepnrc.load(out / members[3].name / "measurements" / "epoch-000002-test.json")
    rows = frame[
        (frame["run"] == "weight_decay=0.01_seed=1") & (frame.epoch == 2) & (frame.part == "test")
    ]
    assert set(rows["training.weight_decay"]) == {0.01}
    assert set(rows.seed) == {1}
    values = {(row.layer, row.metric): row.value for row in rows.itertuples()}
    assert values["", "model_mse"] == record.model_mse
    assert values["", "model_r2"] == record.model_r2
    for layer in record:
        for metric, value in layer.values.items():
            got = values[layer.name, metric]
            assert got == value or (math.isnan(got) and math.isnan(value))


def test_a_failed_member_gives_the_rows_it_has(tmp_path):
    members = expand(make, ["training.lr=1e30,0.05"])
    sweep(members, tmp_path)
    frame = tidy_frame(members, tmp_path)
    assert set(frame[frame["run"] == "lr=1e+30_seed=0"].epoch) == {0}


def test_no_members_make_an_empty_table(tmp_path):
    assert len(tidy_frame([], tmp_path)) == 0


def test_the_files_keep_every_digit(swept, tmp_path):
    out, members, _, _, _ = swept
    frame = tidy_frame(members, out)
    write_table(frame, tmp_path / "table.csv")
    read = pd.read_csv(
        tmp_path / "table.csv",
        keep_default_na=False,
        na_values={"value": [""]},
    )
    pd.testing.assert_frame_equal(read, frame, check_dtype=False, check_exact=True)


def test_parquet_keeps_every_digit(swept, tmp_path):
    pytest.importorskip("pyarrow")
    out, members, _, _, _ = swept
    frame = tidy_frame(members, out)
    write_table(frame, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "table.parquet"), frame, check_dtype=False, check_exact=True
    )


def test_other_tables_are_refused(tmp_path, monkeypatch):
    for check in (check_table, lambda path: write_table(pd.DataFrame(), path)):
        with pytest.raises(ArgumentError, match=r"table: '.*table.xls' must end in .csv or .parq"):
            check(tmp_path / "table.xls")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r"a table that ends in .parquet needs pyarrow, .*: run `pip install 'deepnrc\[parquet"
    with pytest.raises(ArgumentError, match=message):
        check_table(tmp_path / "table.parquet")
