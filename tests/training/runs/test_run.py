"""A run from configuration to folder: what is written, going on, and what is refused."""

import json
import shutil

import pytest
import torch

import deepnrc
from deepnrc.data.loading import load as load_data_set
from deepnrc.errors import ArgumentError, DeepNRCError, FileError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.runs import session as sessions
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.run import RunEvents, run_experiment
from deepnrc.training.runs.saved_run import load_run
from helpers import run_contents as contents
from helpers import small_experiment as config

LATEST = "checkpoints/latest.safetensors"


class StoppedError(Exception):
    pass


def stop_after(epoch):
    def on_epoch(entry):
        if entry["epoch"] == epoch:
            raise StoppedError

    return RunEvents(on_epoch=on_epoch)


def run_until(epoch, made, path):
    with pytest.raises(StoppedError):
        run_experiment(made, path, events=stop_after(epoch))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    told = {"lines": [], "epochs": [], "records": []}
    events = RunEvents(told["lines"].append, told["epochs"].append, told["records"].append)
    return path, run_experiment(config(), path, events=events), told


def test_the_folder_holds_everything(finished):
    path, _, _ = finished
    names = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    epochs = ("000000", "000002", "000004", "000006")
    assert names == {
        ".lock", "config.toml", "manifest.json", "environment.json", "provenance.json", "log.jsonl",
        "sessions.jsonl", "checkpoints/latest.safetensors",
        *(f"checkpoints/epoch-{e}.safetensors" for e in epochs),
        *(f"measurements/epoch-{e}{part}.json" for e in epochs for part in ("", "-test")),
    }  # fmt: skip


def test_environment_provenance_and_sessions(finished):
    path, _, _ = finished
    environment = json.loads((path / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["deepnrc"] == deepnrc.__version__
    assert environment["threads"] == torch.get_num_threads()
    assert environment["device"].startswith(("cpu", "cuda"))
    assert set(environment) >= {"commit", "python", "platform", "processor", "cores"}
    provenance = json.loads((path / "provenance.json").read_text())
    assert provenance["split"] == {
        "seed": 42, "test_fraction": 0.2, "train_rows": 80, "test_rows": 20,
    }  # fmt: skip
    started, ended = map(json.loads, (path / "sessions.jsonl").read_text().splitlines())
    assert (started["epoch"], ended["epoch"]) == (0, 6)
    assert 0 <= ended["seconds_measuring"] <= ended["seconds"]


def test_the_log_says_loss_r2_gradient_and_rate_of_each_epoch(finished):
    path, result, told = finished
    entries = read_log(path / "log.jsonl")
    assert entries == told["epochs"]
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert [entry["lr"] for entry in entries] == pytest.approx([0.05] * 2 + [5e-3] * 2 + [5e-4] * 2)
    last = entries[-1]
    assert len(last["train_r2"]) == len(last["test_r2"]) == 10
    assert last["objective"] == pytest.approx(last["train_loss"], rel=1e-5)
    assert last["gradient_norm"] > 0
    test = result.measurements["test"]
    # The same predictions in float64 and float32.
    assert last["test_loss"] == pytest.approx(test.model_mse, rel=1e-5)
    assert last["train_loss"] < entries[0]["train_loss"]


def test_r2_of_each_target_by_hand(finished):
    path, result, _ = finished
    test = load_data_set("synthetic", samples=100).test
    with torch.no_grad():
        error = (result.model.eval()(test.inputs) - test.targets).double().square().mean(0)
    expected = 1 - error / test.targets.double().var(0, correction=0)
    got = read_log(path / "log.jsonl")[-1]["test_r2"]
    assert got == pytest.approx(expected.tolist(), rel=1e-5)


def test_measurements_are_those_of_the_library(finished):
    path, result, told = finished
    assert [record.epoch for record in told["records"]] == [0, 2, 4, 6]
    for part in ("train", "test"):
        assert deepnrc.load(RunFolder(path).measurement(6, part)) == result.measurements[part]
    rows = load_data_set("synthetic", samples=100).train
    expected = deepnrc.measure(result.model, [(rows.inputs, rows.targets)], progress=False)
    assert result.measurements["train"] == expected
    assert result.trained_epochs == 6


def test_the_run_is_described(finished):
    _, result, told = finished
    assert told["lines"] == [result.description]
    assert "synthetic: ReLU teacher of rank 2, 100 samples" in result.description
    assert (
        "mlp of 304 parameters, 6 epochs of sgd, weight decay 0.001 on all 3 parameters; seed 0"
        in result.description
    )


def test_it_is_train_of_the_loop(finished):
    """Files and measurements change nothing: the same bits as training in memory."""
    from deepnrc.models import MLP
    from deepnrc.training.epoch.loop import train

    _, result, _ = finished
    rows = load_data_set("synthetic", samples=100).train
    model = MLP(20, 10, width=8, depth=3, generator=torch.Generator().manual_seed(0))
    train(model, rows.inputs, rows.targets, config().training)
    for name, value in result.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize("epoch", range(1, 7))
def test_stopped_after_any_epoch_it_ends_in_the_same_bytes(finished, tmp_path, epoch):
    path, _, _ = finished
    run_until(epoch, config(), tmp_path)
    result = run_experiment(config(), tmp_path)
    assert contents(tmp_path) == contents(path)
    # From the last measured epoch on; the stop came before the epoch's own measurement.
    assert result.trained_epochs == 6 - 2 * ((epoch - 1) // 2)


@pytest.mark.parametrize(
    "options",
    [
        {"model": {"norm": "batch", "bias": True}},
        {"optimizer": "adamw", "decay": "matrices", "weight_decay": 0.1, "model": {"bias": True}},
        {"schedule": "cosine", "clip_norm": 0.5, "nesterov": True},
        {"weight_decay": 0.0, "ufm_lambda_h": 1e-3, "ufm_lambda_w": 1e-3},
        {"precision": "bf16"},
    ],
    ids=["batch norm", "adamw", "cosine", "ufm", "bf16"],
)
def test_of_any_kind_it_ends_in_the_same_bytes(tmp_path, options):
    made = config(**options)
    run_experiment(made, tmp_path / "whole")
    run_until(5, made, tmp_path / "stopped")
    run_experiment(made, tmp_path / "stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_seeds_differ(finished, tmp_path):
    path, _, _ = finished
    run_experiment(config(seed=1), tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() != (path / "log.jsonl").read_bytes()


def test_a_state_is_saved_between_measurements_when_time_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "_SAVE_SECONDS", 0.0)
    made = config(measure={"epochs": [6]})
    run_until(5, made, tmp_path)
    assert run_experiment(made, tmp_path).trained_epochs == 2


def test_a_finished_run_is_left_as_it_is(finished):
    path, first, _ = finished
    before = contents(path)
    again = run_experiment(config(), path)
    assert again.trained_epochs == 0
    assert again.measurements == first.measurements
    assert torch.equal(again.model.fc3.weight, first.model.fc3.weight)
    assert contents(path) == before


def test_the_end_is_kept_where_nothing_is_measured(tmp_path):
    made = config(epochs=1, measure={"epochs": []})
    first, again = run_experiment(made, tmp_path), run_experiment(made, tmp_path)
    assert (first.trained_epochs, again.trained_epochs) == (1, 0)
    assert torch.equal(again.model.fc3.weight, first.model.fc3.weight)


def test_another_configuration_is_refused_and_nothing_touched(finished):
    path, _, _ = finished
    before = contents(path)
    with pytest.raises(FileError, match=r"training.lr: 0.05, now 0.1"):
        run_experiment(config(lr=0.1), path)
    assert contents(path) == before


def test_other_data_are_refused(finished):
    path, _, _ = finished
    data = load_data_set("synthetic", samples=100, seed=1)
    message = (
        r"the data differ from those that '.*' started with: restore them(.|\n)*seed: 0, now 1"
    )
    with pytest.raises(FileError, match=message):
        run_experiment(config(), path, data=data)


def test_a_second_process_is_refused(tmp_path):
    with lock_folder(tmp_path), pytest.raises(DeepNRCError, match="in use by process"):
        run_experiment(config(), tmp_path)


def test_missing_data_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path / "home"))
    with pytest.raises(FileError, match="deepnrc data build hopper --samples 50"):
        run_experiment(config(data={"name": "hopper", "samples": 50}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_does_not_fit_is_named(tmp_path):
    message = r"a ResNet takes images, but a sample has the shape \(20,\)"
    values = {**config().model_dump(), "model": {"kind": "resnet18"}}
    with pytest.raises(ArgumentError, match=message):
        run_experiment(ExperimentConfig.model_validate(values), tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_refused_is_left_as_it_was(tmp_path):
    (tmp_path / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for out, message in (
        (tmp_path, r"holds other files \(file, thesis.tex, …\) and no run"),
        (tmp_path / "file", r"cannot write '.*/file': Not a directory"),
        (tmp_path / "new" / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(FileError, match=message):
            run_experiment(config(), out)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "thesis.tex"]


def test_a_folder_that_is_moved_while_it_is_written_to_meets_no_other_run(tmp_path):
    """A second run at the old place; the first stops, and both end as they would alone."""

    def move(entry):
        if entry["epoch"] == 3:
            (tmp_path / "run").rename(tmp_path / "moved")
            run_experiment(config(seed=1), tmp_path / "run")

    with pytest.raises(DeepNRCError, match=r"run' was moved, removed or replaced while this proc"):
        run_experiment(config(), tmp_path / "run", events=RunEvents(on_epoch=move))
    run_experiment(config(), tmp_path / "moved")
    for seed, name in ((0, "moved"), (1, "run")):
        run_experiment(config(seed=seed), tmp_path / f"alone {seed}")
        assert contents(tmp_path / name) == contents(tmp_path / f"alone {seed}")


def test_divergence_keeps_what_was_written(tmp_path):
    with pytest.raises(DeepNRCError, match="lower the learning rate"):
        run_experiment(config(lr=1e3, epochs=50, measure={"every": 1}), tmp_path)
    saved = load_run(tmp_path)
    assert saved.epoch == len(read_log(tmp_path / "log.jsonl"))


@pytest.mark.parametrize("size", [400, 1500, 2500, 8000])
def test_a_full_disk_is_said_and_the_run_goes_on_afterwards(
    finished, tmp_path, file_size_limit, size
):
    """Configuration, weights, log or measurement: whichever is the first that does not fit."""
    path, _, _ = finished
    assert max(len(content) for content in contents(path).values()) > size
    with (
        file_size_limit(size),
        pytest.raises(FileError, match=r"the disk or quota is full \(File too large\); what was"),
    ):
        run_experiment(config(), tmp_path)
    for name, content in contents(tmp_path).items():  # all whole, and no drafts
        assert content == contents(path)[name] or name in ("log.jsonl", LATEST), name
    if (tmp_path / "log.jsonl").exists():
        read_log(tmp_path / "log.jsonl")
    run_experiment(config(), tmp_path)
    assert contents(tmp_path) == contents(path)


def test_another_environment_is_said(finished, tmp_path, monkeypatch):
    there = {**sessions.environment(torch.device("cpu")), "threads": 64}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sessions, "environment", lambda device: there)
        run_until(3, config(), tmp_path)
    lines = []
    run_experiment(config(), tmp_path, events=RunEvents(say=lines.append))
    assert "resumes after epoch 2" in lines
    assert any(
        line.startswith("the environment differs from the one the run started in")
        and "threads: 64, now" in line
        for line in lines
    )


def test_a_damaged_state_is_refused(finished, tmp_path):
    path, _, _ = finished
    shutil.copytree(path, tmp_path / "run")
    latest = tmp_path / "run" / "checkpoints" / "latest.safetensors"
    latest.write_bytes(latest.read_bytes()[:-10])
    message = (
        r"latest.safetensors' was altered after it was written: its SHA-256 differs from the one "
        r"in manifest.json; restore it from a copy, or start again in another folder"
    )
    with pytest.raises(FileError, match=message):
        run_experiment(config(), tmp_path / "run")


def test_saved_again_it_measures_the_same(finished):
    path, _, _ = finished
    for epoch in (0, 4):
        saved = load_run(path, epoch)
        for part in ("train", "test"):
            measurement = deepnrc.measure(saved.model, saved.loader(part), progress=False)
            assert measurement == deepnrc.load(RunFolder(path).measurement(epoch, part))
    assert load_run(path).epoch == 6


def test_epochs_that_were_not_kept_are_named(finished):
    path, _, _ = finished
    message = r"holds no weights of epoch 5, only of those that were measured: the nearest is [46]"
    with pytest.raises(FileError, match=message):
        load_run(path, 5)


def test_a_run_without_weights_is_named(tmp_path):
    RunFolder(tmp_path).prepare(config())
    with pytest.raises(FileError, match="holds no weights yet: start it with `deepnrc train`"):
        load_run(tmp_path)


def test_fewer_rows_and_the_train_part_alone(tmp_path):
    made = config(measure={"epochs": [6], "samples": 30, "test": False, "layers": ["fc3"]})
    result = run_experiment(made, tmp_path)
    assert set(result.measurements) == {"train"}
    assert result.measurements["train"].samples == 30
    assert result.measurements["train"].names == ("fc3",)


def test_targets_that_do_not_vary_have_no_r2(tmp_path):
    data = load_data_set("synthetic", samples=100)
    data.train.targets[:, 3] = 1.0
    run_experiment(config(epochs=1, measure={"epochs": []}), tmp_path, data=data)
    [entry] = read_log(tmp_path / "log.jsonl")
    assert [i for i, r2 in enumerate(entry["train_r2"]) if r2 is None] == [3]
    assert None not in entry["test_r2"]


def test_images_train_from_disk(tmp_path):
    from deepnrc.data.dataset import split_data
    from deepnrc.data.source import RawData

    class Images:
        shape = (12, 3, 16, 16)

        def __len__(self):
            return 12

        def __getitem__(self, rows):
            draws = [torch.Generator().manual_seed(int(row)) for row in rows]
            return torch.stack([torch.randn(3, 16, 16, generator=draw) for draw in draws])

    targets = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    raw = RawData(Images(), targets, ("image",), ("a", "b"), {"data": "test", "made_from": "x"})
    data = split_data(raw)
    small = config(epochs=1, batch_size=4, measure={"epochs": [1], "layers": ["fc.*"]})
    values = {**small.model_dump(), "model": {"kind": "resnet18", "head": [5]}}
    made = ExperimentConfig.model_validate(values)
    before = torch.get_rng_state()
    result = run_experiment(made, tmp_path / "a", data=data)
    assert torch.equal(torch.get_rng_state(), before)
    assert result.measurements["train"].names == ("fc.0", "fc.2")
    run_experiment(made, tmp_path / "b", data=data)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_device_that_is_not_here_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"training.device = 'nonsense' is not available here"):
        run_experiment(config(device="nonsense"), tmp_path)
