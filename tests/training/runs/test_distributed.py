"""Two and three processes of torchrun (gloo) end where one does, and one of them writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import deepnrc
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.process_group import is_launched
from deepnrc.training.runs.run import RunEvents, run_experiment

# Rounding of float32 (6e-8) in another order of summation, grown over training.
CLOSE = {"rtol": 1e-4, "atol": 1e-6}

# In each process: run what `config` says in the test, to a folder of the test's.
SCRIPT = """
import json, sys
from pathlib import Path
import torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from test_distributed import config
from deepnrc.errors import DeepNRCError
from deepnrc.training.runs.distributed import run_distributed
from deepnrc.training.runs.run import RunEvents

dist.init_process_group("gloo")  # once: torch cannot make it anew reliably in one process
rank = dist.get_rank()
done, errors = [], []
for name, options in json.loads(sys.argv[3]).items():
    out = Path(sys.argv[2]) / name
    seed = options.pop("seed_of_rank", [0, 0, 0])[rank]
    told = []
    try:
        result = run_distributed(
            config(seed=seed, **options), out, events=RunEvents(told.append)
        )
        done.append([name, result is not None, bool(told)])
    except DeepNRCError as error:
        done.append([name, str(error), bool(told)])
        errors.append(error)  # and what its traceback holds
dist.destroy_process_group()
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
Path(sys.argv[2], f"rank-{rank}.json").write_text(json.dumps(done))
Path(sys.argv[2], f"threads-{rank}.json").write_text(json.dumps(threads))
"""


def config(*, model=None, measure=None, samples=101, seed=0, **training):
    settings = {"epochs": 3, "lr": 0.05, "weight_decay": 1e-3, "batch_size": 16, **training}
    return ExperimentConfig(
        name="small",
        seed=seed,
        data={"name": "synthetic", "samples": samples},
        model={"width": 8, "depth": 3, **(model or {})},
        training=TrainingConfig(**settings),
        measure=measure or {"epochs": [0, 3]},
    )


def images():
    from deepnrc.data.dataset import split_data
    from deepnrc.data.source import RawData

    class Images:
        shape = (14, 3, 16, 16)

        def __len__(self):
            return 14

        def __getitem__(self, rows):
            draws = [torch.Generator().manual_seed(int(row)) for row in rows]
            return torch.stack([torch.randn(3, 16, 16, generator=draw) for draw in draws])

    targets = torch.randn(14, 2, generator=torch.Generator().manual_seed(0))
    return split_data(
        RawData(Images(), targets, ("image",), ("a", "b"), {"data": "test", "made_from": "x"})
    )


def torchrun(processes, *arguments, **options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", str(processes), *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **options,
    )


def run_all(folder, processes, cases):
    """Each case in all processes; what each process said of it, by rank."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = torchrun(processes, script, Path(__file__).parent, folder, json.dumps(cases))
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]


LAUNCHED = pytest.mark.slow  # a minute on a busy machine: each process imports torch anew


CASES = {
    "plain": {},  # 81 rows: the last batch takes the lone row, 17 rows in unequal shares
    "clipped": {
        "clip_norm": 0.2,
        "optimizer": "adamw",
        "lr": 0.01,
        "model": {"bias": True, "norm": "layer"},
    },
    "penalties": {"weight_decay": 0.0, "ufm_lambda_h": 0.1, "ufm_lambda_w": 0.1},
    "few rows": {"batch_size": 79},  # the last batch has 2 rows for 3 processes
}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    said = run_all(folder, 3, CASES)
    return folder, said


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    for name, options in CASES.items():
        run_experiment(config(**options), folder / name)
    return folder


@LAUNCHED
@pytest.mark.parametrize("name", CASES)
def test_three_processes_end_where_one_does(together, alone, name):
    got, expected = together[0] / name, alone / name
    epoch = RunFolder(expected).weights(3)
    weights = load_file(epoch)
    torch.testing.assert_close(load_file(RunFolder(got).weights(3)), weights, **CLOSE)
    assert not torch.allclose(
        weights["fc1.weight"], load_file(RunFolder(got).weights(0))["fc1.weight"]
    )


@LAUNCHED
@pytest.mark.parametrize("name", CASES)
def test_the_log_is_that_of_one_process(together, alone, name):
    got, expected = (read_log(path / name / "log.jsonl") for path in (together[0], alone))
    assert len(got) == len(expected) == 3
    for mine, its in zip(got, expected, strict=True):
        assert mine.keys() == its.keys()
        for key, value in its.items():
            assert mine[key] == pytest.approx(value, rel=1e-4, abs=1e-5), key


@LAUNCHED
def test_measurements_are_those_of_one_process(together, alone):
    for part in ("train", "test"):
        got, expected = (
            deepnrc.load(RunFolder(path / "plain").measurement(3, part))
            for path in (together[0], alone)
        )
        assert got.samples == expected.samples
        for mine, its in zip(got, expected, strict=True):
            assert mine.values == pytest.approx(its.values, rel=1e-3, abs=1e-5, nan_ok=True)


@LAUNCHED
def test_only_the_first_process_writes_and_tells(together):
    folder, said = together
    assert said[0] == [[name, True, True] for name in CASES]
    assert said[1] == said[2] == [[name, False, False] for name in CASES]
    for name in CASES:
        sessions = (folder / name / "sessions.jsonl").read_text().splitlines()
        assert len(sessions) == 2  # one process started and ended


@LAUNCHED
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are named in /proc")
def test_no_thread_of_the_group_is_left(together, others):
    """One that is aborts the process, now and then, when it wakes while the interpreter ends."""
    files = [path for folder, _ in (together, others) for path in folder.glob("threads-*.json")]
    assert len(files) == 5
    for file in files:
        threads = json.loads(file.read_text())
        assert threads
        assert not [name for name in threads if "gloo" in name]


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """What needs a state of before, other data, or goes wrong; in one launch."""
    folder = tmp_path_factory.mktemp("two")

    def stop(entry):
        if entry["epoch"] == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_experiment(
            config(measure={"epochs": [1]}), folder / "goes on", events=RunEvents(on_epoch=stop)
        )
    run_experiment(config(), folder / "finished")
    cases = {
        "goes on": {"measure": {"epochs": [1]}},
        "finished": {},
        "seeds": {"seed_of_rank": [0, 1]},
        "batch": {"model": {"norm": "batch"}},
        "in use": {},
        "diverges": {"lr": 1e30},
        "after": {},
    }
    with lock_folder(folder / "in use"):
        said = run_all(folder, 2, cases)
    return folder, [{name: rest for name, *rest in each} for each in said]


@LAUNCHED
def test_it_goes_on_from_a_checkpoint_of_one_process(others, alone):
    folder, said = others
    assert said[0]["goes on"] == [True, True]
    got = read_log(folder / "goes on" / "log.jsonl")
    expected = read_log(alone / "plain" / "log.jsonl")
    assert got[-1]["train_loss"] == pytest.approx(expected[-1]["train_loss"], rel=1e-4)


@LAUNCHED
def test_a_finished_run_is_left_and_the_processes_end(others):
    _, said = others
    assert said[0]["finished"] == [True, True]
    assert said[1]["finished"] == [False, False]


@LAUNCHED
def test_processes_of_different_settings_are_named(others):
    folder, said = others
    message = "process 0 and 1 have different configurations or data: give all processes the same"
    assert said[0]["seeds"][0].startswith(message)
    assert said[1]["seeds"][0].startswith(message)
    assert not (folder / "seeds").exists()


@LAUNCHED
def test_batch_normalisation_needs_gpus(others):
    _, said = others
    for each in said:
        assert "batch normalization over several processes needs GPUs" in each["batch"][0]
        assert "choose model.norm = 'layer' or 'none', or one process" in each["batch"][0]


@LAUNCHED
def test_what_goes_wrong_in_the_first_process_ends_the_others(others):
    _, said = others
    assert "in use by process" in said[0]["in use"][0]
    assert "lower the learning rate" in said[0]["diverges"][0]
    assert said[1]["in use"] == said[1]["diverges"] == [False, False]
    assert said[0]["after"] == [True, True]


@LAUNCHED
def test_the_command_under_torchrun(tmp_path):
    settings = {
        "data.samples": 101, "model.width": 8, "model.depth": 3, "training.epochs": 3,
        "training.batch_size": 16, "training.lr": 0.05, "training.weight_decay": 1e-3,
        "measure.epochs": "[3]",
    }  # fmt: skip
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = torchrun(2, "-m", "deepnrc", "train", "synthetic", *sets, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("=== on the training data ===") == 1
    assert done.stdout.count("Written: run") == 1
    assert len(read_log(tmp_path / "run" / "log.jsonl")) == 3


def test_one_process_is_no_launch(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert not is_launched()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not is_launched()  # SLURM and others set this alone
    monkeypatch.setenv("RANK", "1")
    assert is_launched()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not is_launched()


def test_images_are_read_once_among_the_processes():
    from deepnrc.training.runs.shared_batches import _ImageShare

    whole = images().train.inputs
    rows = torch.tensor([4, 2, 7, 5, 0])
    shares = [_ImageShare(whole, rank, 2)[rows] for rank in range(2)]
    assert torch.equal(shares[0], whole[rows[[0, 2, 4]]])
    assert torch.equal(shares[1], whole[rows[[1, 3]]])
    empty = _ImageShare(whole, 2, 3)[rows[:2]]
    assert empty.shape == (0, 3, 16, 16)
    assert len(_ImageShare(whole, 0, 2)) == len(whole)
