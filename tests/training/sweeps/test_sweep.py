"""Members of a sweep, and what is missing of them; runs are real, in this process."""

import json

import pandas as pd
import pytest

from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import parse_config
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.sweeps.expand import expand
from deepnrc.training.sweeps.sweep import run_sweep
from deepnrc.training.sweeps.table import tidy_frame
from sweeping import Here, make, sweep


def test_members_are_ordinary_runs(swept, tmp_path):
    out, members, _, statuses, _ = swept
    assert [status.state for status in statuses] == ["done"] * 4
    run_experiment(members[3].config, tmp_path / "alone")
    for name in ("config.toml", "log.jsonl", "measurements/epoch-000002.json"):
        assert (out / members[3].name / name).read_bytes() == (
            tmp_path / "alone" / name
        ).read_bytes()


def test_the_status_says_how_far_each_is(swept):
    out, members, _, statuses, seen = swept
    assert [[status.state for status in each] for each in seen] == [
        ["done"] * count + ["waiting"] * (4 - count) for count in range(1, 5)
    ]
    entry = read_log(out / members[0].name / "log.jsonl")[-1]
    assert (statuses[0].epoch, statuses[0].loss, statuses[0].error) == (2, entry["train_loss"], "")
    assert [status.member for status in statuses] == list(members)


def test_a_second_time_nothing_is_left_to_do(swept):
    out, members, _, _, _ = swept
    executor, statuses = sweep(members, out)
    assert executor.ran == []
    assert {status.state for status in statuses} == {"done before"}
    assert {status.epoch for status in statuses} == {2}


def test_only_what_is_missing_is_done(tmp_path):
    first = expand(make, ["training.weight_decay=0"])
    sweep(first, tmp_path)
    members = expand(make, ["training.weight_decay=0,0.01"])
    executor, statuses = sweep(members, tmp_path)
    assert executor.ran == ["weight_decay=0.01_seed=0"]
    assert [status.state for status in statuses] == ["done before", "done"]


def test_a_stopped_member_goes_on(tmp_path):
    [member] = expand(make, [])
    sweep([member], tmp_path)
    sessions = tmp_path / member.name / "sessions.jsonl"
    started, _ended = sessions.read_text().splitlines()
    for left in (f"{started}\n", f'{started}\n{{"ended": "20'):  # killed, also within a line
        sessions.write_text(left)
        assert not RunFolder(tmp_path / member.name).is_finished(member.config)
    executor, [status] = sweep([member], tmp_path)
    assert executor.ran == [member.name]
    assert status.state == "done"


def test_of_another_length_a_run_is_not_finished(swept):
    out, members, _, _, _ = swept
    longer = make(["training.epochs=3", "training.weight_decay=0"])
    assert RunFolder(out / members[0].name).is_finished(members[0].config)
    assert not RunFolder(out / members[0].name).is_finished(longer)
    assert not RunFolder(out / "none").is_finished(longer)


def test_a_member_that_fails_does_not_stop_the_others_and_is_tried_again(tmp_path):
    members = expand(make, ["training.lr=1e30,0.05"])
    _, statuses = sweep(members, tmp_path)
    assert [status.state for status in statuses] == ["failed", "done"]
    assert "lower the learning rate (training.lr is 1e+30)" in statuses[0].error
    kept = tmp_path / "failures" / "lr=1e+30_seed=0.txt"
    assert kept.read_text() == statuses[0].error + "\n"
    executor, again = sweep(members, tmp_path)
    assert executor.ran == ["lr=1e+30_seed=0"]
    assert [status.state for status in again] == ["failed", "done before"]


def test_a_failure_is_forgotten_when_the_member_is_done(tmp_path):
    [member] = expand(make, [])
    folder = tmp_path / member.name
    run_experiment(make(["training.lr=0.01"]), folder)  # of another configuration: refused
    _, [status] = sweep([member], tmp_path)
    assert "training.lr: 0.01, now 0.05" in status.error
    folder.rename(tmp_path / "elsewhere")
    _, [status] = sweep([member], tmp_path)
    assert status.state == "done"
    assert list((tmp_path / "failures").iterdir()) == []


def test_a_damaged_folder_fails_alone(tmp_path):
    members = expand(make, [], seeds=2)
    sweep(members, tmp_path)
    (tmp_path / "seed=0" / "manifest.json").write_text("{")
    _, statuses = sweep(members, tmp_path)
    assert [status.state for status in statuses] == ["failed", "done before"]
    assert "seed=0/manifest.json' is not complete JSON" in statuses[0].error


def test_what_a_finished_member_has_lost_is_made_again(tmp_path):
    members = expand(make, [], seeds=2)
    sweep(members, tmp_path)
    before = tidy_frame(members, tmp_path)
    (tmp_path / "seed=0" / "config.toml").write_text("[data")
    (tmp_path / "seed=1" / "measurements" / "epoch-000002.json").unlink()
    with pytest.raises(FileError, match=r"epoch-000002.json' is missing: give the command of the"):
        tidy_frame(members, tmp_path)
    _, statuses = sweep(members, tmp_path)
    assert [status.state for status in statuses] == ["done", "done"]
    pd.testing.assert_frame_equal(tidy_frame(members, tmp_path), before)


def test_an_altered_measurement_is_not_in_the_table(tmp_path):
    [member] = expand(make, [])
    sweep([member], tmp_path)
    file = tmp_path / "seed=0" / "measurements" / "epoch-000002.json"
    file.write_text(file.read_text().replace('"noise_component": ', '"noise_component": -7'))
    with pytest.raises(
        FileError, match=r"epoch-000002.json' was altered after it was written.*; de"
    ):
        tidy_frame([member], tmp_path)


def test_trained_together_each_member_is_the_run_it_is_alone(swept, tmp_path):
    out, members, _, _, _ = swept
    deeper = expand(make, ["model.depth=3"])
    executor, statuses = sweep([*members, *deeper], tmp_path, together=3)
    assert executor.ran == [
        "weight_decay=0_seed=0+weight_decay=0_seed=1",
        "weight_decay=0.01_seed=0+weight_decay=0.01_seed=1",
        "depth=3_seed=0",
    ]
    assert {status.state for status in statuses} == {"done"}
    got, expected = tidy_frame(members, tmp_path), tidy_frame(members, out)
    # Rounding of float32 (6e-8) in another order of summation, grown over six steps.
    pd.testing.assert_frame_equal(got, expected, rtol=1e-4, atol=1e-5)


def test_a_sweep_that_goes_on_trains_the_same_members_together(tmp_path):
    members = expand(make, [], seeds=5)
    sweep(members, tmp_path, together=2)
    for seed in (1, 4):
        (tmp_path / f"seed={seed}" / "sessions.jsonl").unlink()
    executor, statuses = sweep(members, tmp_path, together=2)
    assert executor.ran == ["seed=1", "seed=4"]  # of other groups: 0, then 1 and 2, 3 and 4
    assert [status.state for status in statuses].count("done before") == 3


def test_together_one_that_diverges_fails_alone(tmp_path):
    members = expand(make, ["training.lr=0.05,1e30"])
    executor, statuses = sweep(members, tmp_path, together=8)
    assert executor.ran == ["lr=0.05_seed=0+lr=1e+30_seed=0"]
    assert [status.state for status in statuses] == ["done", "failed"]
    assert "lower the learning rate (training.lr is 1e+30)" in statuses[1].error
    assert (tmp_path / "failures" / "lr=1e+30_seed=0.txt").is_file()


def test_what_fails_for_all_is_told_of_each(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path / "home"))
    members = expand(lambda over: make(["data.name=hopper", *over]), [], seeds=2)
    _, statuses = sweep(members, tmp_path / "out", together=2)
    for status in statuses:
        assert "deepnrc data build hopper --samples 60" in status.error


def test_fewer_than_one_together_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="together must be at least 1, the number of runs"):
        sweep(expand(make, []), tmp_path / "out", together=0)
    assert not (tmp_path / "out").exists()


def test_a_running_member_is_followed_by_its_log(tmp_path):
    [member] = expand(make, [])
    seen = []

    class Slow(Here):
        looks = 0

        def finished(self):
            log = RunFolder(tmp_path / member.name).log
            self.looks += 1
            if self.looks == 2:
                log.parent.mkdir()
                log.write_text("")
            elif self.looks == 3:
                log.write_text('{"epoch": 1, "train_loss": 0.5}\n{"epoch": 2, "tra')
            elif self.looks == 4:
                log.unlink()
                return super().finished()
            return {}

    run_sweep([member], tmp_path, Slow(), interval=0.0, on_status=lambda s: seen.append(s[0]))
    assert [(s.state, s.epoch, s.loss) for s in seen[:3]] == [
        ("waiting", 0, None),
        ("waiting", 0, None),
        ("running", 1, 0.5),
    ]
    assert (seen[3].state, seen[3].epoch) == ("done", 2)


def test_a_second_sweep_on_the_folder_is_refused(tmp_path):
    with lock_folder(tmp_path), pytest.raises(DeepNRCError, match="in use by process"):
        sweep(expand(make, []), tmp_path)


def test_the_configuration_travels_as_text(tmp_path):
    [member] = expand(make, [])
    executor = Here()
    executor.start = lambda jobs: jobs_seen.extend(jobs) or Here.start(executor, jobs)
    jobs_seen = []
    run_sweep([member], tmp_path, executor, interval=0.0)
    [job] = jobs_seen
    parsed = parse_config(*job.configs, source="job", name="")
    assert parsed == member.config
    assert isinstance(parsed, ExperimentConfig)
    assert job.folders == (str(tmp_path / "seed=0"),)
    assert json.loads((tmp_path / "seed=0" / "provenance.json").read_text())


@pytest.mark.parametrize("name", ["seed=0", "failures", "output", "results.csv"])
def test_a_link_in_the_folder_leads_nowhere(tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(
        FileError, match=rf"out/{name}' is a symbolic link, which may lead anywhere"
    ):
        sweep(expand(make, []), tmp_path / "out")
    assert list((tmp_path / "outside").iterdir()) == []


def test_what_a_killed_sweep_left_half_written_is_removed(tmp_path):
    for name in (".results.csv.0a1b2c3d.draft", "failures/.seed=0.txt.0a1b2c3d.draft"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sweep(expand(make, []), tmp_path)
    assert list(tmp_path.rglob("*.draft")) == []
