"""Members trained by tasks of a Ray cluster on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.sweeps.executors.ray import RayExecutor


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
sys.path.insert(0, sys.argv[2])
from sweeping import DIVERGES, check_outcomes, check_together, holder, job, outcomes, together
from deepnrc.training.sweeps.executors.ray import RayExecutor
folder = pathlib.Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
with RayExecutor(address=cluster.address) as executor:
    alive = [node for node in ray.nodes() if node["Alive"]]
    assert [node["Resources"]["CPU"] for node in alive] == [1.0, 1.0], alive
    jobs = [job(folder, "good"), job(folder, "bad", DIVERGES)]
    check_outcomes(outcomes(executor, jobs), folder)
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
        [sys.executable, "-c", ON_RAY, str(tmp_path), str(Path(__file__).parents[3])],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "RAY_TMPDIR": "/tmp", "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.stdout.endswith("all well\n"), done.stdout + done.stderr


def test_without_ray_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = r"the executor 'ray' needs ray, .*: run `pip install 'deepnrc\[ray\]'`"
    with pytest.raises(ArgumentError, match=message):
        RayExecutor()
