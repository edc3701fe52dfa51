"""Weights from files: every format that holds tensors, wrapped or tied; nothing is executed."""

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from deepnrc.cli.checkpoint import load_weights
from deepnrc.errors import FileError
from helpers import small_network


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _same(a: nn.Module, b: nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


def test_safetensors(tmp_path):
    source, target = _model(), _model()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors")
    assert _same(source, target)


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_torch_files_with_usual_wrappings(tmp_path, key, prefix):
    source, target = _model(), _model()
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    assert _same(source, target)


def test_tied_weights_stored_once(tmp_path):
    def tied() -> nn.Sequential:
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        return model

    source, target = tied(), tied()
    save_model(source, str(tmp_path / "w.safetensors"))
    load_weights(target, tmp_path / "w.safetensors")
    assert _same(source, target)


def test_code_in_a_pickle_is_not_run(tmp_path):
    flag = tmp_path / "run"

    class Evil:
        def __reduce__(self):
            return (open, (str(flag), "w"))

    torch.save({"state_dict": {}, "evil": Evil()}, tmp_path / "w.pt")
    with pytest.raises(FileError, match="holds Python objects, which are never loaded"):
        load_weights(_model(), tmp_path / "w.pt")
    assert not flag.exists()


def _write(path, content: bytes) -> None:
    path.write_bytes(content)


def _saved(tmp_path, name: str, change) -> str:
    state = _model().state_dict()
    change(state)
    save_file(state, tmp_path / name)
    return name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: "absent.pt", "'.*absent.pt' is not a file"),
        (lambda p: _write(p / "w.onnx", b"") or "w.onnx", "must end in .safetensors, or in .pt"),
        (lambda p: _write(p / "w.pt", b"junk") or "w.pt", "cannot be read as tensors only"),
        (
            lambda p: _write(p / "w.safetensors", b"\x10\0\0\0\0\0\0\0{") or "w.safetensors",
            "is not a complete safetensors file .*cut off or altered",
        ),
        (lambda p: torch.save([1], p / "w.pt") or "w.pt", "holds no state dict"),
        (lambda p: _saved(p, "w.safetensors", lambda s: s.pop("0.bias")), "lacks 0.bias: it"),
        (
            lambda p: _saved(p, "w.safetensors", lambda s: s.update(x=torch.ones(1))),
            "holds weights that the model does not have: x: it does not fit --model",
        ),
        (
            lambda p: _saved(p, "w.safetensors", lambda s: s.update({"0.bias": torch.ones(5)})),
            r"has other shapes: 0.bias \(5,\) for \(4,\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_named_and_nothing_changes(tmp_path, make, message):
    model = _model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    name = make(tmp_path)
    with pytest.raises(FileError, match=message):
        load_weights(model, tmp_path / name)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": {f"net.{k}": v for k, v in s.items()}},  # Lightning
        lambda s: {"n_averaged": torch.tensor(3), **{f"module.{k}": v for k, v in s.items()}},
        lambda s: {"net": s, "epoch": 3},
        lambda s: {"ema": s},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
        lambda s: {k.replace("2.", "2._orig_mod."): v for k, v in s.items()},  # one compiled block
    ],
)
def test_checkpoints_as_trainers_leave_them(tmp_path, wrap):
    source, target = small_network(seed=1), small_network(seed=2)
    torch.save(wrap(source.state_dict()), tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)


def test_names_of_both_sides_where_they_do_not_fit(tmp_path):
    torch.save({"layers.0.kernel": torch.ones(1)}, tmp_path / "w.pt")
    message = r"holds layers\.0\.kernel where the model has 0\.weight, 0\.bias, 2\.weight, 2\.bias"
    with pytest.raises(FileError, match=message):
        load_weights(small_network(), tmp_path / "w.pt")
