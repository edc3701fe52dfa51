"""JAT's episodes in Parquet, whole and broken."""

import sys

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from data.sets.imitation.formats import assert_holds, episode, jat_table, write_jat
from deepnrc.data.sets.imitation.readers import read_real
from deepnrc.data.sets.imitation.tasks import SWIMMER
from deepnrc.errors import ArgumentError, DataError, FileError, NonFiniteError


@pytest.fixture
def episodes(rng):
    return [episode(rng, steps, extra=0) for steps in (3, 20, 1, 7)]


@pytest.fixture
def rows(tmp_path):
    """Write rows as they are."""

    def write(*rows):
        path = tmp_path / "a.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return path

    return write


def test_episodes(tmp_path, episodes):
    raw = read_real(SWIMMER, write_jat(tmp_path / "train.parquet", episodes))
    assert_holds(raw, episodes)
    assert raw.provenance["episodes"] == 4
    assert raw.provenance["made_from"] == "real files (JAT): train.parquet"


def test_more_rows_than_a_batch(tmp_path, rng):
    episodes = [episode(rng, 2, extra=0) for _ in range(40)]
    assert_holds(read_real(SWIMMER, write_jat(tmp_path / "a.parquet", episodes)), episodes)


@pytest.mark.parametrize("column", ["continuous_observations", "continuous_actions"])
def test_missing_column(tmp_path, episodes, column):
    path = tmp_path / "a.parquet"
    parquet.write_table(jat_table(episodes).drop_columns([column]), path)
    message = rf"a\.parquet must have a column '{column}'; got continuous_.*, rewards: pass epi"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


def test_truncated(tmp_path, episodes):
    path = write_jat(tmp_path / "a.parquet", episodes)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = r"a\.parquet cannot be read as Parquet \(.*\): it is damaged; compare its size"
    with pytest.raises(FileError, match=message):
        read_real(SWIMMER, path)


def test_lengths_that_do_not_match(tmp_path, rng):
    path = write_jat(tmp_path / "a.parquet", [episode(rng, 4, extra=-1)])
    message = r", row 0 must have as many observations as actions, .* got 3 .* and 4 actions"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


def test_an_episode_without_steps(tmp_path, rng):
    episodes = [episode(rng, 2, extra=0), episode(rng, 0, extra=0)]
    assert_holds(read_real(SWIMMER, write_jat(tmp_path / "a.parquet", episodes)), episodes)


@pytest.mark.parametrize("step", [[0.0] * 7, None])
def test_steps_of_several_widths(rows, step):
    path = rows(
        {"continuous_observations": [[0.0] * 8, step], "continuous_actions": [[0.0] * 2] * 2}
    )
    message = r"continuous_observations of a.*, row 0 must have steps of one width; got several"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


def test_flat_lists(rows):
    path = rows({"continuous_observations": [0.0] * 8, "continuous_actions": [0.0] * 2})
    with pytest.raises(DataError, match="row 0 must hold one list per step; got double: pass"):
        read_real(SWIMMER, path)


def test_missing_number(rows):
    path = rows(
        {
            "continuous_observations": [[0.0] * 8, [None] + [0.0] * 7],
            "continuous_actions": [[0.0] * 2] * 2,
        }
    )
    with pytest.raises(NonFiniteError, match=r"row 0 must be finite .* is row 1 "):
        read_real(SWIMMER, path)


def test_message_names_the_row(tmp_path, rng):
    episodes = [episode(rng, 2, extra=0) for _ in range(20)]
    episodes[18][1][1] = np.nan
    path = write_jat(tmp_path / "a.parquet", episodes)
    with pytest.raises(NonFiniteError, match=r"actions of a\.parquet, row 18 .* is row 1 counted"):
        read_real(SWIMMER, path)


def test_without_pyarrow(tmp_path, episodes, monkeypatch):
    path = write_jat(tmp_path / "a.parquet", episodes)
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    message = r"a\.parquet needs pyarrow, .*: run `pip install 'deepnrc\[parquet\]'`"
    with pytest.raises(ArgumentError, match=message):
        read_real(SWIMMER, path)
