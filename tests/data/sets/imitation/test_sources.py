import gymnasium
import numpy as np
import pytest

import deepnrc.data
from data.sets.imitation.formats import episode, write_minari
from deepnrc.data.access.store import build
from deepnrc.data.sets.imitation import sources
from deepnrc.data.sets.imitation.tasks import HOPPER, REACHER, SWIMMER
from deepnrc.data.source import BuildRequest

SOURCES = (sources.SWIMMER, sources.REACHER, sources.HOPPER)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))


def test_names_sizes_and_targets():
    # t and samples of [RU26], Table 2.
    facts = [(s.name, len(s.targets), s.default_samples, s.standardize) for s in SOURCES]
    assert facts == [
        ("swimmer", 2, 1000, True),
        ("reacher", 2, 1000, True),
        ("hopper", 3, 5000, True),
    ]
    for source in SOURCES:
        assert f"samples={source.default_samples}" in source.summary
        assert all(download.url.startswith("https://") for download in source.downloads)
        assert source.extra == "imitation"


@pytest.mark.parametrize("task", [SWIMMER, REACHER, HOPPER], ids=lambda task: task.name)
def test_columns_are_gymnasiums(task):
    environment = gymnasium.make(task.environment)
    assert environment.observation_space.shape == (len(task.observation_names),)
    assert environment.action_space.shape == (len(task.action_names),)
    assert np.all(environment.action_space.low == -1)
    assert np.all(environment.action_space.high == 1)
    environment.close()


@pytest.mark.parametrize(
    ("task", "joints"),
    [
        # In the simulator's names, position columns then velocity columns.
        (
            SWIMMER,
            "free_body_rot motor1_rot motor2_rot "
            "slider1 slider2 free_body_rot motor1_rot motor2_rot",
        ),
        (
            HOPPER,
            "rootz rooty thigh_joint leg_joint foot_joint "
            "rootx rootz rooty thigh_joint leg_joint foot_joint",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_column_order_is_the_simulators(task, joints):
    environment = gymnasium.make(task.environment)
    environment.reset(seed=0)
    simulation = environment.unwrapped
    joints = joints.split()
    positions = len(simulation.data.qpos) - simulation.observation_structure["skipped_qpos"]
    values = np.arange(1.0, 1 + len(simulation.data.qpos)) / 10
    simulation.set_state(values, values + 1)
    observed = simulation._get_obs()
    for column, joint in enumerate(joints):
        place = simulation.model.joint(joint).qposadr.item()
        expected = values[place] + (column >= positions)
        assert observed[column] == pytest.approx(expected)
    # The k-th action moves the joint that its name says.
    motors = [simulation.model.actuator(k).trnid[0] for k in range(len(task.action_names))]
    moved = [simulation.model.joint(motor).name for motor in motors]
    assert moved == joints[-len(task.action_names) :]
    environment.close()


def test_reacher_is_built_and_read(tmp_path):
    source = sources.REACHER
    path = tmp_path / "draft"
    source.build(path, BuildRequest(samples=60, seed=2))
    raw = source.read_built(path)
    assert raw.inputs.shape == (60, 10)
    assert raw.targets.shape == (60, 2)
    assert raw.target_names == source.targets
    assert raw.provenance["data"] == "reacher"
    assert raw.provenance["made_from"] == (
        "60 (state, action) pairs of a scripted expert in Reacher-v5, played on this machine"
    )


def test_loaded_by_name_from_real_files(tmp_path, rng):
    episodes = [episode(rng, 6, d=11, t=3) for _ in range(5)]
    path = write_minari(tmp_path / "hopper" / "data" / "main_data.hdf5", episodes)
    data = deepnrc.data.load("hopper", path.parent.parent)
    assert len(data.train.inputs) + len(data.test.inputs) == 30
    assert data.input_names == HOPPER.observation_names
    assert data.target_names == HOPPER.action_names
    first = deepnrc.data.load("hopper", path, samples=10)
    assert len(first.train.inputs) + len(first.test.inputs) == 10


def test_loaded_by_name_from_what_was_built():
    build("reacher", samples=100)
    data = deepnrc.data.load("reacher", samples=100)
    assert data.train.inputs.shape == (80, 10)
    assert "scripted expert in Reacher-v5" in data.provenance["made_from"]
