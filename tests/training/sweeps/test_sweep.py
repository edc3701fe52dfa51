"""Members of a sweep, what is missing of them, and the table; runs are real, in this process."""

import json
import math

import pandas as pd
import pytest

import deepnrc
from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import parse_config
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.sweeps.member import run_member, run_members
from deepnrc.training.sweeps.sweep import (
    check_table,
    expand,
    is_finished,
    run_sweep,
    tidy_frame,
    write_table,
)
from helpers import small_run

SMALL = small_run(0, 2)


def make(overrides=()):
    return parse_config(SMALL, overrides, source="small.toml", name="small")


class Here:
    """Runs jobs one after another in this process, one at each look."""

    def __init__(self):
        self.jobs, self.ran = [], []

    def start(self, jobs):
        self.jobs = list(jobs)

    def finished(self):
        if not self.jobs:
            return {}
        job = self.jobs.pop(0)
        self.ran.append("+".join(job.names))
        return job.outcomes(run_members(job.folders, job.configs))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def sweep(members, out, **options):
    executor = Here()
    return executor, run_sweep(members, out, executor, interval=0.0, **options)


def names(*arguments, **options):
    return [member.name for member in expand(make, *arguments, **options)]


def test_every_combination_with_every_seed():
    members = expand(make, ["training.weight_decay=0,5e-4", "model.depth=2,3"], seeds=2)
    assert [member.name for member in members] == [
        "weight_decay=0_depth=2_seed=0",
        "weight_decay=0_depth=2_seed=1",
        "weight_decay=0_depth=3_seed=0",
        "weight_decay=0_depth=3_seed=1",
        "weight_decay=0.0005_depth=2_seed=0",
        "weight_decay=0.0005_depth=2_seed=1",
        "weight_decay=0.0005_depth=3_seed=0",
        "weight_decay=0.0005_depth=3_seed=1",
    ]
    last = members[-1]
    assert (last.config.training.weight_decay, last.config.model.depth, last.config.seed) == (
        5e-4,
        3,
        1,
    )
    assert last.settings == {"training.weight_decay": 5e-4, "model.depth": 3}


def test_a_value_names_the_same_member_however_it_is_written():
    assert names(["training.lr=5e-2"]) == names(["training.lr= 0.05 "]) == ["lr=0.05_seed=0"]
    assert names(["training.lr=0.123456789"]) == ["lr=0.123456789_seed=0"]


def test_seeds_follow_the_experiments_own():
    def seeded(overrides):
        return make(["seed=5", *overrides])

    assert [member.config.seed for member in expand(seeded, [], seeds=3)] == [5, 6, 7]
    assert names([]) == ["seed=0"]


def test_lists_and_words_are_values_too():
    assert names(["training.milestones=[0.5,0.9],[0.5]"]) == [
        "milestones=[0.5,-0.9]_seed=0",
        "milestones=[0.5]_seed=0",
    ]
    assert names(["model.activation=relu,tanh"]) == [
        "activation=relu_seed=0",
        "activation=tanh_seed=0",
    ]
    assert names(["data.options.rank=1,2"]) == ["rank=1_seed=0", "rank=2_seed=0"]


def test_keys_of_one_ending_are_told_apart():
    assert names(["data.samples=50", "measure.samples=20"]) == [
        "data.samples=50_measure.samples=20_seed=0"
    ]
    # What could leave the folder does not come into its name.
    assert "/" not in names(["data.path=../a/b"])[0]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["training.lr"], r"--over training.lr: expected KEY=VALUE,VALUE,…, such as training.wei"),
        (["training.lr="], r"--over training.lr=: expected KEY=VALUE"),
        (["training.lr=1,,2"], r"expected KEY=VALUE"),
        (["training.lr=1,"], r"expected KEY=VALUE"),
        (["=1"], r"expected KEY=VALUE"),
        (["training.lr=0.1,1e-1"], r"--over: two members would be 'lr=0.1_seed=0': give each val"),
        (["training.lr=1", "training.lr=2"], r"--over training.lr: it is swept over twice; give"),
        (["seed=1,2"], r"--over seed: --seeds makes the seeds"),
        (["training.weight_decy=1"], r"unknown key 'training.weight_decy': did you mean"),
        (["training.lr=-1"], r"'training.lr' should be greater than 0"),
    ],
)
def test_what_cannot_be_swept_is_named(over, message):
    with pytest.raises(ArgumentError, match=message):
        expand(make, over)


def test_no_seeds_are_refused():
    with pytest.raises(ArgumentError, match="seeds must be at least 1; got 0"):
        expand(make, [], seeds=0)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    members = expand(make, ["training.weight_decay=0,0.01"], seeds=2)
    seen = []
    executor, statuses = sweep(members, out, on_status=seen.append)
    return out, members, executor, statuses, seen


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
        assert not is_finished(tmp_path / member.name, member.config)
    executor, [status] = sweep([member], tmp_path)
    assert executor.ran == [member.name]
    assert status.state == "done"


def test_of_another_length_a_run_is_not_finished(swept):
    out, members, _, _, _ = swept
    longer = make(["training.epochs=3", "training.weight_decay=0"])
    assert is_finished(out / members[0].name, members[0].config)
    assert not is_finished(out / members[0].name, longer)
    assert not is_finished(out / "none", longer)


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
    (tmp_path / "seed=0" / "config.toml").write_text("[data")
    _, statuses = sweep(members, tmp_path)
    assert [status.state for status in statuses] == ["failed", "done before"]
    assert "TOML" in statuses[0].error


def test_an_error_of_any_kind_is_told_by_its_type(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").mkdir()  # not a file: what comes is no error of ours
    text = SMALL.replace('name = "synthetic"', 'name = "synthetic"\nunknown = 3')
    assert "unknown key 'data.unknown'" in run_member(str(tmp_path / "a"), text)
    assert run_member(str(tmp_path / "run"), SMALL) != ""


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
    with pytest.raises(ArgumentError, match="together must be at least 1, runs that are trained"):
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
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"needs pyarrow: pip install pyarrow, or choose .csv"):
        check_table(tmp_path / "table.parquet")


def test_the_configuration_travels_as_text(tmp_path):
    [member] = expand(make, [])
    executor = Here()
    executor.start = lambda jobs: jobs_seen.extend(jobs) or Here.start(executor, jobs)
    jobs_seen = []
    run_sweep([member], tmp_path, executor, interval=0.0)
    [job] = jobs_seen
    parsed = parse_config(job.config, source="job", name="")
    assert parsed == member.config
    assert isinstance(parsed, ExperimentConfig)
    assert job.folder == tmp_path / "seed=0"
    assert json.loads((tmp_path / "seed=0" / "provenance.json").read_text())
