"""Write expert sets as their publishers do: Minari 0.5 and D4RL v2 in HDF5, JAT in Parquet."""

import h5py
import numpy as np
import pyarrow
import torch
from pyarrow import parquet


def episode(rng, steps, d=8, t=2, extra=1):
    """Observations as Minari has them, one more than actions, in its float64 and float32."""
    actions = rng.uniform(-1, 1, (steps, t)).astype(np.float32)
    return rng.standard_normal((steps + extra, d)), actions


def write_minari(path, episodes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", track_order=True) as file:
        for number, (observations, actions) in enumerate(episodes):
            group = file.create_group(f"episode_{number}")
            group.attrs["id"] = number
            group.attrs["total_steps"] = len(actions)
            ends = np.arange(len(actions)) == len(actions) - 1
            for name, values in {
                "observations": observations,
                "actions": actions,
                "rewards": np.zeros(len(actions)),
                "terminations": np.zeros(len(actions), dtype=bool),
                "truncations": ends,
            }.items():
                group.create_dataset(
                    name, data=values, chunks=True, maxshape=(None, *values.shape[1:])
                )
            group.create_dataset("infos", data=[b"{}"] * len(actions))
    return path


def write_d4rl(path, observations, actions, **ends):
    with h5py.File(path, "w") as file:
        file["observations"] = observations.astype(np.float32)
        file["next_observations"] = observations.astype(np.float32)
        file["actions"] = actions
        file["rewards"] = np.zeros(len(actions), dtype=np.float32)
        for name, values in ends.items():
            file[name] = values
        file["metadata/algorithm"] = "SAC"
        file["infos/qpos"] = np.zeros((len(actions), 6))
    return path


def jat_table(episodes):
    floats = pyarrow.list_(pyarrow.list_(pyarrow.float32()))
    return pyarrow.table(
        {
            "continuous_observations": pyarrow.array([o.tolist() for o, _ in episodes], floats),
            "continuous_actions": pyarrow.array([a.tolist() for _, a in episodes], floats),
            "rewards": pyarrow.array(
                [[0.0] * len(a) for _, a in episodes], pyarrow.list_(pyarrow.float32())
            ),
        }
    )


def write_jat(path, episodes):
    parquet.write_table(jat_table(episodes), path, row_group_size=2)
    return path


def joined(episodes):
    inputs = np.concatenate([o[: len(a)] for o, a in episodes]).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(np.concatenate([a for _, a in episodes]))


def assert_holds(raw, episodes):
    inputs, targets = joined(episodes)
    assert torch.equal(raw.inputs, inputs)
    assert torch.equal(raw.targets, targets)
