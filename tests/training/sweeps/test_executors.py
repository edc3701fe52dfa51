"""Members run by processes here, by submitit and by a Ray cluster; all of them real."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import astuple

import pytest

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.config.file import config_text, parse_config
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.sweeps.executors.job import Job
from deepnrc.training.sweeps.executors.local import LocalExecutor
from deepnrc.training.sweeps.executors.ray import RayExecutor
from deepnrc.training.sweeps.executors.slurm import SlurmExecutor
from helpers import small_run

SMALL = 'name = "small"' + small_run(2)
LONG = "training.epochs=1000000"  # until it is ended
DIVERGES = "training.lr=1e30"


def job(folder, name, *settings):
    config = parse_config(SMALL, settings, source="small", name="small")
    return Job((name,), (str(folder / name),), (config_text(config),))


def one_job(*jobs):
    """Their members as one job."""
    return Job(*(sum(parts, ()) for parts in zip(*map(astuple, jobs), strict=True)))


def process(executor, name):
    [found] = [p for job, p in executor._running.items() if job.names[0] == name]
    return found


def running(executor):
    return [job.names[0] for job in executor._running]


def holder(folder):
    """The process that holds the folder."""
    return int((folder / ".lock.holder").read_text().split()[1])


def outcomes(executor, jobs, seconds=240):
    """What went wrong with each, by name."""
    executor.start(jobs)
    ended, until = {}, time.monotonic() + seconds
    count = sum(len(one.names) for one in jobs)
    while len(ended) < count:
        assert time.monotonic() < until, f"only {sorted(ended)} ended"
        new = executor.finished()
        assert not ended.keys() & new.keys()
        ended.update(new)
        time.sleep(0.05)
    assert executor.finished() == {}
    return ended


def check(ended, folder):
    """A good member and one that diverges."""
    assert ended["good"] == ""
    assert "lower the learning rate (training.lr is 1e+30)" in ended["bad"]
    assert len(read_log(RunFolder(folder / "good").log)) == 2
    assert RunFolder(folder / "good").measurement(2).is_file()


def test_local_processes_run_members_and_a_killed_one_is_named(tmp_path):
    jobs = [
        job(tmp_path, "long", LONG),
        job(tmp_path, "good"),
        job(tmp_path, "bad", DIVERGES),
    ]
    with LocalExecutor(tmp_path / "output", workers=2) as executor:
        executor.start(jobs)
        assert running(executor) == ["long", "good"]  # two at a time
        process(executor, "long").send_signal(signal.SIGSTOP)  # it leaves the cores to the others
        ended = {}
        while len(ended) < 2:
            ended.update(executor.finished())
            time.sleep(0.05)
        assert running(executor) == ["long"]
        process(executor, "long").kill()
        process(executor, "long").wait()
        ended.update(executor.finished())
    check(ended, tmp_path)
    assert ended["long"] == "its process was ended by SIGKILL"
    assert "lower the learning rate" in (tmp_path / "output" / "bad.txt").read_text()


def together(folder):
    """Two good members and between them one that diverges, as one job."""
    return one_job(job(folder, "good"), job(folder, "bad", DIVERGES), job(folder, "well", "seed=1"))


def check_together(ended, folder):
    check(ended, folder)
    assert list(ended) == ["good", "bad", "well"]
    assert ended["well"] == ""
    pids = {json.loads(_started(folder / name))["process"] for name in ended}
    assert len(pids) == 1


def _started(folder):
    return RunFolder(folder).sessions.read_text().splitlines()[0]


def test_a_local_process_runs_members_together_and_killed_all_are_named(tmp_path):
    with LocalExecutor(tmp_path / "output", workers=1) as executor:
        ended = outcomes(executor, [together(tmp_path)])
        check_together(ended, tmp_path)
        first, second = job(tmp_path, "long", LONG), job(tmp_path, "as long", LONG, "seed=1")
        executor.start([one_job(first, second)])
        process(executor, "long").kill()
        process(executor, "long").wait()
        assert executor.finished() == dict.fromkeys(
            ["long", "as long"], "its process was ended by SIGKILL"
        )


def test_leaving_a_local_executor_ends_its_processes(tmp_path):
    with LocalExecutor(tmp_path / "output", workers=1) as executor:
        executor.start([job(tmp_path, "long", LONG), job(tmp_path, "next")])
        [started] = executor._running.values()
    assert started.poll() is not None
    assert executor.finished() == {}
    assert not (tmp_path / "next").exists()


def test_a_sweep_that_is_killed_leaves_no_process_behind(tmp_path):
    script = """if True:
        import sys, time
        from pathlib import Path
        from deepnrc.training.sweeps.executors.job import Job
        from deepnrc.training.sweeps.executors.local import LocalExecutor
        name, folder, config = sys.argv[1:]
        executor = LocalExecutor(Path(folder) / "output", workers=1)
        executor.start([Job((name,), (f"{folder}/{name}",), (config,))])
        time.sleep(600)
    """
    one = job(tmp_path, "long", LONG)
    command = [sys.executable, "-c", script, "long", str(tmp_path), one.configs[0]]
    with subprocess.Popen(command) as sweep:
        until = time.monotonic() + 120
        while not RunFolder(tmp_path / "long").log.is_file():
            assert time.monotonic() < until, "the member never started"
            time.sleep(0.1)
        sweep.kill()
    until = time.monotonic() + 60
    while True:
        try:
            with lock_folder(tmp_path / "long"):
                break
        except DeepNRCError:
            assert time.monotonic() < until, "the member goes on"
            time.sleep(0.1)


def test_a_local_process_has_its_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    shares = {
        workers: LocalExecutor(tmp_path, workers=workers)._environment["OMP_NUM_THREADS"]
        for workers in (None, 2, 20)
    }
    assert shares == {None: "1", 2: "4", 20: "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # who sets it has the last word
    assert LocalExecutor(tmp_path)._environment["OMP_NUM_THREADS"] == "3"


def test_a_process_that_says_nothing_is_named_by_its_exit_code(tmp_path):
    executor, a = LocalExecutor(tmp_path), Job(("a",), ("",), ("",))
    (tmp_path / "a.txt").write_text(" \n")
    assert executor._outcome(a, 3) == "its process ended with exit code 3"
    (tmp_path / "a.txt").write_text("so far\n7\n")  # no list of outcomes
    assert executor._outcome(a, 3) == "so far\n7"
    (tmp_path / "a.txt").write_text('warning: x\n["", "this\\nand that"]\n')
    assert executor._outcome(a, 1) == ["", "this\nand that"]
    assert executor._outcome(a, 0) == ""


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="workers must be at least 1; got 0"):
        LocalExecutor(tmp_path, workers=0)


def slurm(folder, **options):
    pytest.importorskip("submitit")
    return SlurmExecutor(folder / "submitit", cluster="local", **options)


def test_submitit_runs_members_alone_and_together(tmp_path):
    jobs = [job(tmp_path / "alone", "alone", "seed=2"), together(tmp_path)]
    with slurm(tmp_path, workers=2, options={"timeout_min": 5}) as executor:
        ended = outcomes(executor, jobs)
    assert ended.pop("alone") == ""
    assert RunFolder(tmp_path / "alone" / "alone").measurement(2).is_file()
    check_together(ended, tmp_path)


@pytest.mark.slow
def test_a_submitit_job_that_is_killed_is_named_and_one_left_is_cancelled(tmp_path):
    with slurm(tmp_path) as executor:
        executor.start([job(tmp_path, "killed", LONG), job(tmp_path, "left", LONG)])
        while not all((tmp_path / name / "log.jsonl").exists() for name in ("killed", "left")):
            time.sleep(0.1)
        assert executor.finished() == {}
        os.kill(holder(tmp_path / "killed"), signal.SIGKILL)
        while not (ended := executor.finished()):
            time.sleep(0.1)
        [(_, left)] = executor._jobs
    assert list(ended) == ["killed"]
    assert "has not produced any output" in ended["killed"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with lock_folder(tmp_path / "left"):
                break
        except DeepNRCError:  # its process still holds the folder
            time.sleep(0.1)
    else:
        pytest.fail("the job that was left still runs")
    while left.state == "RUNNING":  # submitit's own process ends a moment later
        time.sleep(0.1)


def test_submitit_with_nothing_to_do(tmp_path):
    with slurm(tmp_path) as executor:
        executor.start([])
        assert executor.finished() == {}


def test_options_that_submitit_does_not_know_are_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"executor 'slurm': .*no_such_option"):
        slurm(tmp_path, options={"no_such_option": 1})


def test_without_slurm_it_is_said(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArgumentError, match=r"executor 'slurm': .*[Ss]lurm"):
        SlurmExecutor(tmp_path)


@pytest.mark.parametrize(
    ("make", "extra", "package"),
    [
        (lambda path: SlurmExecutor(path), "slurm", "submitit"),
        (lambda path: RayExecutor(), "ray", "ray"),
    ],
)
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, make, extra, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"the executor '{extra}' needs {package}, .*: run `pip install 'deepnrc\[{extra}\]'`"
    with pytest.raises(ArgumentError, match=message):
        make(tmp_path)


def test_ray_with_workers_of_another_cluster_is_refused():
    pytest.importorskip("ray")
    with pytest.raises(ArgumentError, match="workers: a running Ray cluster has its own"):
        RayExecutor(address="10.0.0.1:6379", workers=2)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "here"])
def test_a_ray_cluster_that_is_not_there_is_named(address):
    pytest.importorskip("ray")
    message = (
        rf"the Ray cluster at '{address}' cannot be reached \(.*\): check that it is running, and"
    )
    with pytest.raises(DeepNRCError, match=message):
        RayExecutor(address=address)


# A process of its own: Ray's threads and warnings stay out of the other tests.
ON_RAY = """
import pathlib, sys, time
import ray
from ray.cluster_utils import Cluster
sys.path[:0] = [sys.argv[2], str(pathlib.Path(sys.argv[2]).parent)]
from test_executors import DIVERGES, check, check_together, holder, job, outcomes, together
from deepnrc.training.sweeps.executors.ray import RayExecutor
folder = pathlib.Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
with RayExecutor(address=cluster.address) as executor:
    alive = [node for node in ray.nodes() if node["Alive"]]
    assert [node["Resources"]["CPU"] for node in alive] == [1.0, 1.0], alive
    jobs = [job(folder, "good"), job(folder, "bad", DIVERGES)]
    check(outcomes(executor, jobs), folder)
    check_together(outcomes(executor, [together(folder / "together")]), folder / "together")
    executor.start([job(folder, "killed", "training.epochs=1000000")])
    pid = None
    while pid is None:
        assert executor.finished() == {}
        if (folder / "killed" / "log.jsonl").exists():
            pid = holder(folder / "killed")
        time.sleep(0.1)
    import os, signal
    os.kill(pid, signal.SIGKILL)
    while not (ended := executor.finished()):
        time.sleep(0.1)
    assert "killed" in ended and "died" in ended["killed"], ended
assert not ray.is_initialized()
cluster.shutdown()
print("all well")
"""


@pytest.mark.slow  # half a minute for the cluster to start and its workers to import torch
def test_a_ray_cluster_of_two_nodes_runs_members(tmp_path):
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY, str(tmp_path), os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "RAY_TMPDIR": "/tmp", "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.stdout.endswith("all well\n"), done.stdout + done.stderr
