import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from deepnrc.data import load
from deepnrc.data.sets.tabular import read_tabular
from deepnrc.errors import (
    ArgumentError,
    DataError,
    DeepNRCWarning,
    FileError,
    NonFiniteError,
)

FRAME = pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 5, 6], "y": [7.0, 8, 9], "z": [0.5, 0.25, 1]})


def write(path, frame=FRAME):
    """The table as a file of the kind its name says."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path, index=False)
    elif path.suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})
    else:
        save_file({name: torch.tensor(frame[name].to_numpy()) for name in frame}, path)
    return path


KINDS = ["table.csv", "table.parquet", "table.npz", "table.safetensors", "TABLE.CSV"]


@pytest.mark.parametrize("name", KINDS)
def test_named_columns_become_targets_and_the_rest_inputs(tmp_path, name):
    path = tmp_path / name
    if name == "TABLE.CSV":
        FRAME.to_csv(path, index=False)
    else:
        write(path)
    raw = read_tabular(path, targets=["z", "y"])
    assert (raw.input_names, raw.target_names) == (("a", "b"), ("z", "y"))
    assert raw.inputs.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert raw.targets.tolist() == [[0.5, 7], [0.25, 8], [1, 9]]
    assert raw.provenance["made_from"] == f"the file {name}, 3 rows"


def test_inputs_can_be_chosen(tmp_path):
    path = write(tmp_path / "table.csv")
    raw = read_tabular(path, targets="y", inputs=["b"])
    assert (raw.input_names, raw.inputs.tolist()) == (("b",), [[4], [5], [6]])


@pytest.mark.parametrize("kind", [".npz", ".safetensors"])
def test_matrices_are_taken_by_their_name(tmp_path, kind):
    path = tmp_path / f"arrays{kind}"
    x, y = np.arange(6.0).reshape(3, 2), np.arange(9.0).reshape(3, 3)
    if kind == ".npz":
        np.savez(path, x=x, y=y)
    else:
        save_file({"x": torch.tensor(x).bfloat16(), "y": torch.tensor(y)}, path)
    raw = read_tabular(path, targets="y")
    assert raw.input_names == ("x[0]", "x[1]")
    assert raw.target_names == ("y[0]", "y[1]", "y[2]")
    assert torch.equal(raw.inputs, torch.tensor(x))
    assert torch.equal(raw.targets, torch.tensor(y))
    some = read_tabular(path, targets=["y[2]"], inputs="x")
    assert some.targets.flatten().tolist() == [2, 5, 8]


def test_by_name_with_scaling_and_checksum(tmp_path):
    data = load("tabular", write(tmp_path / "table.csv"), targets=["y"], test_fraction=0.34)
    assert data.train.inputs.shape == (2, 3)
    assert data.provenance["scaling"] == {"inputs": "standard", "targets": "standard"}
    assert list(data.provenance["files"]) == ["table.csv"]


@pytest.mark.parametrize("name", KINDS[:4])
def test_a_missing_column(tmp_path, name):
    with pytest.raises(DataError, match=rf"{name} has no column 'zz': did you mean 'z'"):
        read_tabular(write(tmp_path / name), targets=["zz"])


@pytest.mark.parametrize("name", KINDS[:4])
def test_a_missing_value_is_refused_or_its_row_dropped(tmp_path, name):
    frame = FRAME.copy()
    frame.loc[2, "b"] = np.nan
    path = write(tmp_path / name, frame)
    row = "line 4" if name.endswith(".csv") else "row 2, counted from 0"
    message = f"{name} must have no missing values; got 1 in input 'b', in 1 of 3 .* first in {row}"
    with pytest.raises(NonFiniteError, match=message):
        read_tabular(path, targets=["y"])
    raw = read_tabular(path, targets=["y"], missing="drop")
    assert raw.targets.tolist() == [[7], [8]]
    assert raw.provenance["made_from"] == f"the file {name}, 2 of 3 rows, the others incomplete"
    assert raw.provenance["rows_dropped"] == "1 of 3, with missing values: 1 in input 'b'"
    assert raw.provenance["reading"] == {"missing": "drop"}
    # A column that nobody reads may have gaps.
    assert len(read_tabular(path, targets=["y"], inputs=["a"]).inputs) == 3


@pytest.mark.parametrize("name", KINDS[1:4])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file(tmp_path, name, share):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    message = rf"{name} cannot be read as .* damaged or incomplete; compare its size and checksum"
    with pytest.raises(FileError, match=message):
        read_tabular(path, targets=["y"])


def test_how_a_table_was_read_is_in_the_provenance_and_json(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id;a;y\n1;1,5;2\n2;x;3\n\n3;4;5\n4;5;6\n5;7;8\n")
    options = {"sep": ";", "decimal": ",", "index": "id", "na_values": ["x"], "missing": "drop"}
    data = load("tabular", path, targets="y", empty_lines="skip", test_fraction=0.5, **options)
    assert data.provenance["reading"] == {**options, "empty_lines": "skip"}
    assert data.provenance["empty_lines_skipped"] == 1
    json.dumps(data.provenance)
    assert "reading" not in read_tabular(write(tmp_path / "u.csv"), targets="y").provenance


def test_an_input_with_the_values_of_a_target_is_told(tmp_path):
    path = write(tmp_path / "table.csv", FRAME.assign(**{"y.1": FRAME["y"]}))
    message = r"input 'y\.1' equals target 'y' in every row: name the inputs with inputs=\[…\] if"
    with pytest.warns(DeepNRCWarning, match=message):
        read_tabular(path, targets="y")
    assert read_tabular(path, targets="y", inputs=["a", "y.1"]).input_names == ("a", "y.1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            ",a,y\n0,1,2\n",
            r"column '\(column 1\)' would become an input, but it has no name: pass in",
        ),
        ("a,y,\n1,2,\n", r"it has no name, as where lines end with a separator: pass index=-1 to"),
        (
            "Unnamed: 0,a,y\n0,1,2\n",
            r"'Unnamed: 0' would become an input, but pandas gives this name",
        ),
    ],
)
def test_an_index_does_not_become_an_input(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_tabular(path, targets="y")
    assert read_tabular(path, targets="y", inputs="a").inputs.tolist() == [[1]]


def test_columns_that_make_no_sense(tmp_path):
    path = write(tmp_path / "table.csv")
    with pytest.raises(
        ArgumentError, match=r"targets must .* got none: pass .* of 'a', 'b', 'y', 'z'"
    ):
        read_tabular(path)
    with pytest.raises(ArgumentError, match="columns that are not targets; got 'y', which is one"):
        read_tabular(path, targets=["y"], inputs=["a", "y"])
    with pytest.raises(
        ArgumentError, match="inputs must be columns that are not targets; got none"
    ):
        read_tabular(path, targets=["a", "b", "y", "z"])


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ArgumentError, match=r"needs pyarrow, .* install 'deepnrc\[parquet\]'`"):
        read_tabular(path, targets=["y"])
