"""Minari's and D4RL's files, whole and broken."""

import json
import sys

import h5py
import numpy as np
import pytest
import torch

from data.sets.imitation.formats import assert_holds, episode, write_d4rl, write_minari
from deepnrc.data.sets.imitation.readers import read_real
from deepnrc.data.sets.imitation.tasks import HOPPER, REACHER, SWIMMER
from deepnrc.errors import ArgumentError, DataError, FileError, NonFiniteError


@pytest.fixture
def episodes(rng):
    # Twelve, as from ten on the order of names is not that of numbers.
    return [episode(rng, steps=3 + number % 4) for number in range(12)]


class TestMinari:
    def test_file_and_folders(self, tmp_path, episodes):
        path = write_minari(tmp_path / "expert-v0" / "data" / "main_data.hdf5", episodes)
        for place in (path, path.parent, path.parent.parent):
            assert_holds(read_real(SWIMMER, place), episodes)

    def test_what_it_says_of_itself(self, tmp_path, episodes):
        raw = read_real(SWIMMER, write_minari(tmp_path / "main_data.hdf5", episodes))
        assert raw.inputs.dtype == raw.targets.dtype == torch.float32
        assert raw.input_names == SWIMMER.observation_names
        assert raw.target_names == SWIMMER.action_names
        (sha256,) = raw.provenance["files"].values()
        assert len(sha256) == 64
        said = {key: value for key, value in raw.provenance.items() if key != "files"}
        assert said == {
            "data": "swimmer",
            "samples": sum(len(a) for _, a in episodes),
            "episodes": 12,
            "made_from": "real files (Minari or D4RL): main_data.hdf5",
        }
        assert json.loads(json.dumps(raw.provenance)) == raw.provenance

    def test_without_the_last_observation(self, tmp_path, rng):
        episodes = [episode(rng, 4, extra=0), episode(rng, 5)]
        assert_holds(
            read_real(SWIMMER, write_minari(tmp_path / "main_data.hdf5", episodes)), episodes
        )

    def test_an_episode_without_steps(self, tmp_path, rng):
        episodes = [episode(rng, 2), episode(rng, 0), episode(rng, 3)]
        raw = read_real(SWIMMER, write_minari(tmp_path / "main_data.hdf5", episodes))
        assert_holds(raw, episodes)
        assert raw.provenance["episodes"] == 3

    def test_no_steps_at_all(self, tmp_path, rng):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 0)])
        message = r"for swimmer must hold at least one \(state, action\) pair; got none in 1 episo"
        with pytest.raises(DataError, match=message):
            read_real(SWIMMER, path)

    def test_missing_dataset(self, tmp_path, episodes):
        path = write_minari(tmp_path / "main_data.hdf5", episodes)
        with h5py.File(path, "a") as file:
            del file["episode_7/actions"]
        message = (
            r"main_data\.hdf5, episode_7 must have a dataset 'actions'; got infos, observations, "
            r"rewards, terminations, truncations: pass a file in the format of Minari or D4RL"
        )
        with pytest.raises(DataError, match=message):
            read_real(SWIMMER, path)

    def test_observations_in_parts(self, tmp_path, episodes):
        path = write_minari(tmp_path / "main_data.hdf5", episodes)
        with h5py.File(path, "a") as file:
            del file["episode_0/observations"]
            file["episode_0/observations/achieved_goal"] = np.zeros(3)
        message = r"episode_0: 'observations' must be one dataset; got a group of achieved_goal:"
        with pytest.raises(DataError, match=message):
            read_real(SWIMMER, path)

    @pytest.mark.parametrize("extra", [-1, 2])
    def test_lengths_that_do_not_match(self, tmp_path, rng, extra):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 5, extra=extra)])
        message = (
            r"main_data\.hdf5, episode_0 must have as many observations as actions, or one more; "
            rf"got {5 + extra} observations and 5 actions: the file is damaged"
        )
        with pytest.raises(DataError, match=message):
            read_real(SWIMMER, path)

    @pytest.mark.parametrize("name", ["terminations", "truncations"])
    def test_ends_that_do_not_match(self, tmp_path, rng, name):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 5)])
        with h5py.File(path, "a") as file:
            file[f"episode_0/{name}"].resize((4,))
        message = rf"episode_0 must have as many {name} as actions; got 4 and 5: the file is dam"
        with pytest.raises(DataError, match=message):
            read_real(SWIMMER, path)

    def test_truncated_file(self, tmp_path, episodes):
        path = write_minari(tmp_path / "main_data.hdf5", episodes)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        message = r"main_data\.hdf5 cannot be opened as HDF5 \(.*\): it is missing, truncated by an"
        with pytest.raises(FileError, match=message):
            read_real(SWIMMER, path)

    def test_overwritten_middle(self, tmp_path, episodes):
        path = write_minari(tmp_path / "main_data.hdf5", episodes)
        content = bytearray(path.read_bytes())
        middle = slice(len(content) // 4, 3 * len(content) // 4)
        content[middle] = bytes(len(content[middle]))
        path.write_bytes(content)
        with pytest.raises((FileError, DataError), match=r"main_data\.hdf5"):
            read_real(SWIMMER, path)

    def test_not_hdf5(self, tmp_path):
        path = tmp_path / "main_data.hdf5"
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(FileError, match=r"main_data\.hdf5 cannot be opened as HDF5"):
            read_real(SWIMMER, path)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
    def test_rows_that_are_not_finite(self, tmp_path, rng, bad):
        observations, actions = episode(rng, 6)
        observations[[2, 4], 3] = bad
        path = write_minari(tmp_path / "main_data.hdf5", [(observations, actions)])
        message = (
            r"observations of main_data\.hdf5, episode_0 must be finite in float32; got NaN, "
            r"infinity or larger numbers in 2 row\(s\), the first is row 2 counted from 0"
        )
        with pytest.raises(NonFiniteError, match=message) as caught:
            read_real(SWIMMER, path)
        assert caught.value.row == 2

    def test_nan_in_an_action(self, tmp_path, rng):
        observations, actions = episode(rng, 6)
        actions[5, 1] = np.nan
        path = write_minari(tmp_path / "main_data.hdf5", [(observations, actions)])
        with pytest.raises(NonFiniteError, match=r"actions of .*episode_0 must .* first is row 5"):
            read_real(SWIMMER, path)

    def test_nan_after_the_last_action_is_left_out(self, tmp_path, rng):
        observations, actions = episode(rng, 6)
        observations[-1] = np.nan
        path = write_minari(tmp_path / "main_data.hdf5", [(observations, actions)])
        assert len(read_real(SWIMMER, path).inputs) == 6

    def test_wrong_action_width(self, tmp_path, rng):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 5, d=11, t=2)])
        message = (
            r"actions of main_data\.hdf5, episode_0 must have the shape \(steps, 3\); got \(5, 2\)"
            r": pass a file of this environment"
        )
        with pytest.raises(DataError, match=message):
            read_real(HOPPER, path)

    def test_wrong_observation_width(self, tmp_path, rng):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 5, d=17)])
        message = r"observations of .* must have the shape \(steps, 10 or 11\); got \(6, 17\)"
        with pytest.raises(DataError, match=message):
            read_real(REACHER, path)

    def test_text_for_numbers(self, tmp_path, rng):
        path = write_minari(tmp_path / "main_data.hdf5", [episode(rng, 2)])
        with h5py.File(path, "a") as file:
            del file["episode_0/actions"]
            file["episode_0/actions"] = [b"left", b"right"]
        with pytest.raises(DataError, match=r"actions of .* must be real numbers; got"):
            read_real(SWIMMER, path)

    def test_reacher_with_eleven_observations(self, tmp_path, rng):
        episodes = [episode(rng, 4, d=11), episode(rng, 3, d=11)]
        raw = read_real(REACHER, write_minari(tmp_path / "main_data.hdf5", episodes))
        assert_holds(raw, episodes)
        assert raw.input_names[-2:] == ("fingertip_minus_target_y", "fingertip_minus_target_z")

    def test_reacher_with_ten_observations(self, tmp_path, rng):
        episodes = [episode(rng, 4, d=10)]
        raw = read_real(REACHER, write_minari(tmp_path / "main_data.hdf5", episodes))
        assert raw.input_names == REACHER.observation_names

    def test_two_versions_of_reacher(self, tmp_path, rng):
        episodes = [episode(rng, 4, d=11), episode(rng, 3, d=10)]
        path = write_minari(tmp_path / "main_data.hdf5", episodes)
        message = (
            r"observations of main_data\.hdf5, episode_1 must have 11 columns as in the episodes "
            r"before; got 10: pass files of one version of reacher"
        )
        with pytest.raises(DataError, match=message):
            read_real(REACHER, path)


class TestD4RL:
    def test_episodes_by_their_ends(self, tmp_path, rng):
        observations, actions = episode(rng, 10, d=11, t=3, extra=0)
        fallen, over = np.zeros(10, dtype=bool), np.zeros(10, dtype=bool)
        fallen[2] = over[6] = True  # two episodes, then three steps of an unfinished one
        path = write_d4rl(
            tmp_path / "hopper_expert-v2.hdf5",
            observations,
            actions,
            terminals=fallen,
            timeouts=over,
        )
        raw = read_real(HOPPER, path)
        assert_holds(raw, [(observations, actions)])
        assert raw.provenance["episodes"] == 3

    def test_end_at_the_end(self, tmp_path, rng):
        observations, actions = episode(rng, 4, d=11, t=3, extra=0)
        path = write_d4rl(tmp_path / "a.hdf5", observations, actions, terminals=np.arange(4) == 3)
        assert read_real(HOPPER, path).provenance["episodes"] == 1

    def test_ends_as_a_column_of_numbers(self, tmp_path, rng):
        # Some older files have (N, 1) and 0. / 1.
        observations, actions = episode(rng, 4, d=11, t=3, extra=0)
        ends = (np.arange(4) % 2 == 1).astype(np.float32)[:, None]
        path = write_d4rl(tmp_path / "a.hdf5", observations, actions, terminals=ends)
        assert read_real(HOPPER, path).provenance["episodes"] == 2

    def test_no_ends(self, tmp_path, rng):
        observations, actions = episode(rng, 4, d=11, t=3, extra=0)
        path = write_d4rl(tmp_path / "a.h5", observations, actions)
        assert read_real(HOPPER, path).provenance["episodes"] == 1

    def test_missing_dataset(self, tmp_path):
        path = tmp_path / "a.hdf5"
        with h5py.File(path, "w") as file:
            file["rgb"] = np.zeros((2, 3))
        message = r"a\.hdf5 must have a dataset 'observations'; got rgb: pass a file"
        with pytest.raises(DataError, match=message):
            read_real(HOPPER, path)

    def test_empty_file(self, tmp_path):
        path = tmp_path / "a.hdf5"
        h5py.File(path, "w").close()
        with pytest.raises(DataError, match=r"must have a dataset 'observations'; got nothing: "):
            read_real(HOPPER, path)

    @pytest.mark.parametrize("name", ["observations", "terminals", "timeouts"])
    def test_lengths_that_do_not_match(self, tmp_path, rng, name):
        observations, actions = episode(rng, 5, d=11, t=3, extra=0)
        flags = {"terminals": np.zeros(5, dtype=bool), "timeouts": np.zeros(5, dtype=bool)}
        path = write_d4rl(tmp_path / "a.hdf5", observations, actions, **flags)
        with h5py.File(path, "a") as file:
            shorter = file[name][:4]
            del file[name]
            file[name] = shorter
        message = rf"a\.hdf5 must have as many {name} as actions; got 4 and 5: the file is damaged"
        with pytest.raises(DataError, match=message):
            read_real(HOPPER, path)

    def test_nan_names_the_row_of_its_episode(self, tmp_path, rng):
        observations, actions = episode(rng, 6, d=11, t=3, extra=0)
        observations[4, 0] = np.nan
        path = write_d4rl(tmp_path / "a.hdf5", observations, actions, terminals=np.arange(6) == 2)
        message = r"observations of a\.hdf5, episode 1 \(from row 3\) must .* first is row 1 "
        with pytest.raises(NonFiniteError, match=message):
            read_real(HOPPER, path)

    def test_without_h5py(self, tmp_path, monkeypatch):
        path = tmp_path / "a.hdf5"
        path.touch()
        monkeypatch.setitem(sys.modules, "h5py", None)
        message = r"a\.hdf5 needs h5py, .*h5py.*: run `pip install 'deepnrc\[imitation\]'`"
        with pytest.raises(ArgumentError, match=message):
            read_real(HOPPER, path)


def test_a_header_that_claims_terabytes(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "x") as file:
        file.create_dataset("observations", (10**11, 8), "f4", chunks=(1000, 8))
        file.create_dataset("actions", (10**11, 2), "f4", chunks=(1000, 2))
    assert (tmp_path / "a.hdf5").stat().st_size < 10_000
    message = r"a\.hdf5: 'observations' of shape \(.*\) claims 3,200,000,000,000 bytes; at most"
    with pytest.raises(FileError, match=message):
        read_real(SWIMMER, tmp_path / "a.hdf5")


def test_damaged_files_are_refused_by_name(tmp_path, episodes):
    path = write_minari(tmp_path / "main_data.hdf5", episodes)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[generator.integers(min(len(content), 6000))] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_real(SWIMMER, path)
        except (FileError, DataError) as error:
            refused += "main_data.hdf5" in str(error)
    assert refused > 10
