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


NORMS = {
    "weight": (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm),
    "spectral": (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
@pytest.mark.parametrize("old_to_new", [True, False])
@pytest.mark.parametrize("kind", NORMS)
def test_older_and_newer_names_of_normed_weights(tmp_path, kind, old_to_new):
    def made(norm):
        return nn.Sequential(nn.Linear(3, 4), norm(nn.Linear(4, 2))).eval()

    old, new = NORMS[kind]
    source, target = (made(old), made(new)) if old_to_new else (made(new), made(old))
    state = {f"net.{name}": tensor for name, tensor in source.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(target(inputs), source(inputs))


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_batch_norm_without_its_counter(tmp_path, suffix):
    source, target = _model(), _model()
    source[1].running_mean += 3
    state = {f"model.{k}": v for k, v in source.state_dict().items() if "num_batches" not in k}
    path = tmp_path / f"w.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    load_weights(target, path)
    assert torch.equal(target[1].running_mean, source[1].running_mean)
    assert torch.equal(target[2].weight, source[2].weight)


class Renamed(nn.Module):
    """A layer that knows what its weight was called before."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 3))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        if prefix + "kernel" in state_dict:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
        super()._load_from_state_dict(state_dict, prefix, *rest)


def test_a_module_may_adapt_an_older_checkpoint(tmp_path):
    target = nn.Sequential(Renamed(), nn.Linear(2, 2))
    state = nn.Sequential(nn.Linear(3, 3), nn.Linear(2, 2))[1].state_dict(prefix="1.")
    torch.save({"0.kernel": torch.ones(2, 3), **state}, tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    assert torch.equal(target[0].weight, torch.ones(2, 3))


def test_a_key_and_a_prefix_choose_among_several_networks(tmp_path):
    student, teacher = small_network(seed=1), small_network(seed=2)
    both = {f"student.{k}": v for k, v in student.state_dict().items()}
    both |= {f"teacher.net.{k}": v for k, v in teacher.state_dict().items()}
    torch.save({"epoch": 3, "weights": {"averaged": both}}, tmp_path / "w.pt")
    for prefix, source in (("student", student), ("student.", student), ("teacher", teacher)):
        target = small_network(seed=3)
        load_weights(target, tmp_path / "w.pt", key="weights.averaged", prefix=prefix)
        assert _same(target, source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "holds no state dict: .*; it has epoch, weights: name another with --key"),
        ({"key": "weihgts"}, "has no entry 'weihgts' for --key; it has epoch, weights"),
        ({"key": "weights.ema"}, "has no entry 'ema' for --key; it has averaged"),
        (
            {"key": "weights.averaged", "prefix": "net"},
            "has no name under --prefix net; there are student., loss.",
        ),
        (
            {"key": "weights.averaged"},
            r"does not have: loss\.scale: .*choose weights of it with --key and --prefix",
        ),
    ],
)
def test_what_a_key_and_a_prefix_do_not_find_is_told(tmp_path, options, message):
    state = {f"student.{k}": v for k, v in small_network().state_dict().items()}
    state["loss.scale"] = torch.ones(1)
    torch.save({"epoch": 3, "weights": {"averaged": state}}, tmp_path / "w.pt")
    model = small_network(seed=4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(FileError, match=message):
        load_weights(model, tmp_path / "w.pt", **options)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_safetensors_file_has_no_keys(tmp_path):
    save_file(small_network().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(FileError, match="has no entries: leave out --key"):
        load_weights(small_network(), tmp_path / "w.safetensors", key="model")
