import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from deepnrc.data import load
from deepnrc.data.sets.tabular import read_tabular
from deepnrc.errors import ArgumentError, DataError, FileError, NonFiniteError

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
def test_a_row_with_nan(tmp_path, name):
    frame = FRAME.copy()
    frame.loc[2, "b"] = np.nan
    with pytest.raises(
        NonFiniteError, match=rf"{name}: column 'b' must be finite; got nan in row 2"
    ):
        read_tabular(write(tmp_path / name, frame), targets=["y"])


@pytest.mark.parametrize("name", KINDS[1:4])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file(tmp_path, name, share):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(FileError, match=rf"{name} cannot be read as .* damaged or truncated"):
        read_tabular(path, targets=["y"])


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3\n1,2,3,4,5\n", b"\xff\xfe\x00"])
def test_a_csv_that_is_none(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"table\.csv cannot be read as \.csv"):
        read_tabular(path, targets=["y"])


def test_a_csv_cut_within_a_row(tmp_path):
    path = write(tmp_path / "table.csv")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(NonFiniteError, match="column 'z' must be finite; got nan in row 2"):
        read_tabular(path, targets=["y"])


def test_pickled_objects_are_not_opened(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object), y=np.ones(1))
    with pytest.raises(
        FileError, match=r"cannot be read as \.npz \(Object arrays cannot be loaded"
    ):
        read_tabular(path, targets=["y"])


def test_arrays_that_are_no_table(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, x=np.ones((3, 2, 2)), y=np.ones(3))
    with pytest.raises(DataError, match=r"one or two axes .*; got shape \(3, 2, 2\) for 'x'"):
        read_tabular(path, targets=["y"])
    np.savez(path, x=np.ones((3, 2)), y=np.ones(4))
    with pytest.raises(DataError, match="the same number of rows; got 3 in 'x', 4 in 'y'"):
        read_tabular(path, targets=["y"])
    np.savez(path, x=np.float64(3), y=np.ones(4))
    with pytest.raises(DataError, match=r"got shape \(\) for 'x'"):
        read_tabular(path, targets=["y"])


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


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileError, match=r"path must end in one of \.csv, \.parquet, .*table\.xls"):
        read_tabular(tmp_path / "table.xls", targets=["y"])
    with pytest.raises(FileError, match=r"table\.csv is not a file: check the path"):
        read_tabular(tmp_path / "table.csv", targets=["y"])


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArgumentError, match=r"needs pyarrow, .* install 'deepnrc\[parquet\]'`"):
        read_tabular(path, targets=["y"])
