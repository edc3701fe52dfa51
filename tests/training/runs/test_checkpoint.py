"""Checkpoints: everything comes back bit for bit; damaged and foreign files are refused."""

import hashlib
import json
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deepnrc.errors import FileError
from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.objective import mean_squared_error
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.state import TrainingState, train_epoch
from deepnrc.training.runs.checkpoint import load_state, load_weights, save_state, save_weights

KINDS = {
    "sgd": {},
    "sgd without momentum": {"momentum": 0.0},
    "adam": {"optimizer": "adam"},
    "adamw, two groups": {"optimizer": "adamw", "weight_decay": 0.1, "decay": "matrices"},
}


def start(seed=0, *, width=8, norm="batch", **values):
    config = TrainingConfig(epochs=9, lr=0.05, **values)
    generator = torch.Generator().manual_seed(seed)
    model = MLP(4, 3, width=width, depth=3, bias=True, norm=norm, generator=generator)
    return TrainingState(model, make_optimizer(model, config), torch.Generator().manual_seed(seed))


def trained(state, epochs=2):
    generator = torch.Generator().manual_seed(5)
    feed = TensorFeed(
        torch.randn(50, 4, generator=generator), torch.randn(50, 3, generator=generator)
    )
    for _ in range(epochs):
        train_epoch(state, feed, mean_squared_error, batch_size=16, lr=0.05)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_training_resumes_bit_for_bit(tmp_path, kind):
    path = tmp_path / "latest.safetensors"
    state = trained(start(**KINDS[kind]))
    save_state(path, state)
    again = start(seed=1, **KINDS[kind])  # other weights, other order
    load_state(path, again)
    assert again.epoch == 2
    trained(state)
    trained(again)
    assert again.epoch == state.epoch == 4
    assert torch.equal(again.generator.get_state(), state.generator.get_state())
    for (name, one), other in zip(
        state.model.state_dict().items(), again.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name


def test_the_same_state_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_state(tmp_path / name, trained(start()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_are_plain_safetensors_under_their_own_names(tmp_path):
    path = tmp_path / "epoch-000007.safetensors"
    state = trained(start())
    save_weights(path, state.model, 7)
    stored = load_file(path)
    expected = state.model.state_dict()
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[name], expected[name]) for name in expected)
    other = start(seed=1)
    assert load_weights(path, other.model) == 7
    assert torch.equal(other.model.fc2.weight, state.model.fc2.weight)
    assert torch.equal(other.model.norm1.running_var, state.model.norm1.running_var)


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, start().model, 1)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"w.safetensors' was altered after it was written: its SH"):
        load_weights(path, start().model)


def header(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["deepnrc"])


def test_a_changed_epoch_or_shape_is_noticed(tmp_path):
    path = tmp_path / "w.safetensors"
    model = start().model
    save_weights(path, model, 1)
    tensors, facts = load_file(path), header(path)
    other = {**tensors, "fc1.weight": tensors["fc1.weight"].reshape(4, 8)}
    for changed, description in ((tensors, {"epoch": 2}), (other, facts["description"])):
        metadata = {"deepnrc": json.dumps({**facts, "description": description})}
        save_file(changed, path, metadata=metadata)
        with pytest.raises(FileError, match=r"w.safetensors' was altered after it was written"):
            load_weights(path, model)


def older(path):
    """Rewrite a checkpoint as earlier versions did: a digest without the facts."""
    tensors, digest = load_file(path), hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    facts = header(path)["description"]
    old = {"layout": "deepnrc-training-1", "sha256": digest.hexdigest(), **facts}
    save_file(tensors, path, metadata={"deepnrc": json.dumps(old)})


def test_training_resumes_from_a_state_of_an_earlier_version(tmp_path):
    path = tmp_path / "latest.safetensors"
    state = trained(start())
    save_state(path, state)
    older(path)
    again = start(seed=1)
    load_state(path, again)
    assert again.epoch == 2
    assert torch.equal(trained(again).model.fc3.weight, trained(state).model.fc3.weight)


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_shortened_file_is_refused(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    save_weights(path, start().model, 1)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileError, match=r"w.safetensors' is not a complete safetensors file"):
        load_weights(path, start().model)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileError, match=r"there is no file '.*w.safetensors'"):
        load_weights(path, start().model)
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(
        FileError, match=r"has the layout None; expected 'deepnrc-training-2': restore"
    ):
        load_weights(path, start().model)


def test_another_models_weights_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, start(width=9).model, 1)
    with pytest.raises(FileError, match=r"w.safetensors' is of another model: .*size mismatch"):
        load_weights(path, start().model)
    save_state(path, start(norm="none"))
    with pytest.raises(FileError, match=r"w.safetensors' is of another model: .*Missing key"):
        load_state(path, start())


def test_weights_alone_are_no_training_state(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, start().model, 1)
    with pytest.raises(
        FileError, match=r"w.safetensors' is not a training state of SGD: it has the optimizer None"
    ):
        load_state(path, start())


def test_moments_of_another_optimiser_are_refused(tmp_path):
    path = tmp_path / "s.safetensors"
    save_state(path, trained(start()))
    state = start(optimizer="adam")
    with pytest.raises(
        FileError,
        match=r"s.safetensors' is not a training state of Adam: it has the optimizer 'SGD'",
    ):
        load_state(path, state)


def test_a_full_disk_keeps_the_last_state(tmp_path, file_size_limit):
    path = tmp_path / "latest.safetensors"
    state = trained(start())
    save_state(path, state)
    before = path.read_bytes()
    trained(state)
    with file_size_limit(1000), pytest.raises(FileError, match="the disk or quota is full"):
        save_state(path, state)
    assert path.read_bytes() == before
    again = start()
    load_state(path, again)
    assert again.epoch == 2


def test_nothing_is_pickled(tmp_path):
    path = tmp_path / "s.safetensors"
    save_state(path, trained(start()))
    content = path.read_bytes()
    [length] = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    sizes = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    assert max(end for _, end in sizes) == len(content) - 8 - length
