"""JAT's episodes in each format, whole and broken."""

import json
import sys

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from data.sets.imitation.formats import assert_holds, episode, jat_table, write_arrow, write_jat
from deepnrc.data.sets.imitation.readers import read_real
from deepnrc.data.sets.imitation.tasks import SWIMMER
from deepnrc.errors import DataError, DeepNRCError, FileError, NonFiniteError


@pytest.fixture
def episodes(rng):
    return [episode(rng, steps, extra=0) for steps in (3, 20, 1, 7)]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".json"])
def test_each_format(tmp_path, episodes, suffix):
    raw = read_real(SWIMMER, write_jat(tmp_path / f"train{suffix}", episodes))
    assert_holds(raw, episodes)
    assert raw.provenance["episodes"] == 4
    assert raw.provenance["made_from"] == f"real files (JAT): train{suffix}"


def test_arrow_in_the_file_format(tmp_path, episodes):
    path = write_arrow(jat_table(episodes), tmp_path / "a.arrow", pyarrow.ipc.new_file)
    assert_holds(read_real(SWIMMER, path), episodes)


def test_more_rows_than_a_batch(tmp_path, rng):
    episodes = [episode(rng, 2, extra=0) for _ in range(40)]
    assert_holds(read_real(SWIMMER, write_jat(tmp_path / "a.parquet", episodes)), episodes)


def test_slice_of_a_table(tmp_path, episodes):
    # Its arrays keep the values of rows before the slice.
    path = write_arrow(jat_table(episodes).slice(1, 2), tmp_path / "a.arrow")
    assert_holds(read_real(SWIMMER, path), episodes[1:3])


def test_npz_of_joined_steps(tmp_path, episodes):
    observations = np.concatenate([o for o, _ in episodes])
    actions = np.concatenate([a for _, a in episodes])
    np.savez(tmp_path / "a.npz", continuous_observations=observations, continuous_actions=actions)
    assert_holds(read_real(SWIMMER, tmp_path / "a.npz"), episodes)


def test_npz_of_episodes_of_one_length(tmp_path, rng):
    episodes = [episode(rng, 4, extra=0) for _ in range(3)]
    np.savez(
        tmp_path / "a.npz",
        continuous_observations=np.stack([o for o, _ in episodes]),
        continuous_actions=np.stack([a for _, a in episodes]),
    )
    raw = read_real(SWIMMER, tmp_path / "a.npz")
    assert_holds(raw, episodes)
    assert raw.provenance["episodes"] == 3


def test_npz_of_other_numbers_of_episodes(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        continuous_observations=np.zeros((3, 4, 8)),
        continuous_actions=np.zeros((2, 4, 2)),
    )
    with pytest.raises(DataError, match=r"as many episodes of .* as of actions, got 3 and 2;"):
        read_real(SWIMMER, tmp_path / "a.npz")


def test_pickled_npz_is_refused(tmp_path, episodes):
    # As JAT's own scripts write it before the upload; unpickling could run code.
    observations = np.empty(4, dtype=object)
    observations[:] = [o for o, _ in episodes]
    np.savez(
        tmp_path / "train.npz",
        continuous_observations=observations,
        continuous_actions=observations,
    )
    message = r"train\.npz: expected plain arrays, got pickled objects, which could run code"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, tmp_path / "train.npz")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("column", ["continuous_observations", "continuous_actions"])
def test_missing_column(tmp_path, episodes, suffix, column):
    table = jat_table(episodes).drop_columns([column])
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        write_arrow(table, path)
    message = rf"a\{suffix}: expected a column '{column}', got continuous_.*, rewards; pass epi"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


@pytest.mark.parametrize("row", [{"observations": []}, 7, []])
def test_missing_column_in_json(tmp_path, row):
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    message = r"a\.jsonl, row 0: expected a column 'continuous_observations', got "
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, tmp_path / "a.jsonl")


def test_missing_array_in_npz(tmp_path):
    np.savez(tmp_path / "a.npz", continuous_observations=np.zeros((3, 8)))
    with pytest.raises(DataError, match=r"expected a column 'continuous_actions', got contin"):
        read_real(SWIMMER, tmp_path / "a.npz")


def test_json_that_is_no_list(tmp_path):
    for content in ("{}", "3"):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(DataError, match=r"a\.json: expected a list of episodes; pass epis"):
            read_real(SWIMMER, tmp_path / "a.json")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".json", ".npz"])
def test_truncated(tmp_path, episodes, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, continuous_observations=np.zeros((99, 8)))
    else:
        write_jat(path, episodes)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = rf"a\{suffix} cannot be read as {suffix[1:]} \(.*\); is it whole\? Fetch or copy"
    with pytest.raises(FileError, match=message):
        read_real(SWIMMER, path)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_lengths_that_do_not_match(tmp_path, rng, suffix):
    path = write_jat(tmp_path / f"a{suffix}", [episode(rng, 4, extra=-1)])
    message = r", row 0: expected as many observations as actions, .* got 3 .* and 4 actions"
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_an_episode_without_steps(tmp_path, rng, suffix):
    episodes = [episode(rng, 2, extra=0), episode(rng, 0, extra=0)]
    raw = read_real(SWIMMER, write_jat(tmp_path / f"a{suffix}", episodes))
    assert_holds(raw, episodes)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_steps_of_several_widths(tmp_path, suffix):
    row = {
        "continuous_observations": [[0.0] * 8, [0.0] * 7],
        "continuous_actions": [[0.0] * 2] * 2,
    }
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps(row))
    message = r"continuous_observations of a.*, row 0: expected steps of one width, "
    with pytest.raises(DataError, match=message):
        read_real(SWIMMER, path)


def test_flat_lists(tmp_path):
    row = {"continuous_observations": [0.0] * 8, "continuous_actions": [0.0] * 2}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="expected a list for each step, got double"):
        read_real(SWIMMER, tmp_path / "a.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_missing_number(tmp_path, suffix):
    row = {
        "continuous_observations": [[0.0] * 8, [None] + [0.0] * 7],
        "continuous_actions": [[0.0] * 2] * 2,
    }
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps(row))
    with pytest.raises(NonFiniteError, match=r"row 0: expected finite numbers, .* is row 1 "):
        read_real(SWIMMER, path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl"])
def test_message_names_the_row(tmp_path, rng, suffix):
    episodes = [episode(rng, 2, extra=0) for _ in range(20)]
    episodes[18][1][1] = np.nan
    path = write_jat(tmp_path / f"a{suffix}", episodes)
    with pytest.raises(
        NonFiniteError, match=rf"actions of a\{suffix}, row 18: .* is row 1 counted"
    ):
        read_real(SWIMMER, path)


def test_missing_step(tmp_path):
    row = {
        "continuous_observations": [[0.0] * 8, None],
        "continuous_actions": [[0.0] * 2] * 2,
    }
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 0: expected steps of one width, got several"):
        read_real(SWIMMER, tmp_path / "a.parquet")


def test_without_pyarrow(tmp_path, episodes, monkeypatch):
    path = write_jat(tmp_path / "a.parquet", episodes)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r"a\.parquet needs pyarrow, .*; run `pip install pyarrow`, or write the episodes"
    with pytest.raises(DeepNRCError, match=message):
        read_real(SWIMMER, path)
