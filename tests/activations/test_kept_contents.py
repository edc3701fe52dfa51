"""What a model keeps beside its weights has the same content afterwards, in every container."""

import copy
import dataclasses
import random
import types
from collections import OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.activations import kept_contents
from deepnrc.activations.kept_contents import contents_kept
from helpers import in_batches, regression_data


@dataclasses.dataclass
class Cache:
    keys: list = dataclasses.field(default_factory=list)
    length: int = 0


class Memory:
    """A plain object of the model's own package."""

    def __init__(self):
        self.seen, self.table = 0, {"a": [1]}


class Keeper(nn.Module):
    """Keeps everything that can be kept, and changes all of it when it runs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 2)
        self.listed = [1, [2, 3]]
        self.mapping = {"x": 1, 5: {"inner": [1]}}
        self.ordered = OrderedDict(a=1, b=2)
        self.counts = defaultdict(int, a=1)
        self.members = {1, 2}
        self.recent = deque([1, 2, 3], maxlen=3)
        self.raw = bytearray(b"abc")
        self.array = np.arange(6.0).reshape(2, 3)
        self.objects = np.array([[1], None], dtype=object)
        self.tensor = torch.arange(4.0)
        self.nested = ({"list": [torch.zeros(2)]},)
        self.cache, self.memory = Cache([torch.ones(2)]), Memory()
        self.names = types.SimpleNamespace(count=0, seen=[])
        self.torch_generator = torch.Generator().manual_seed(1)
        self.python_generator = random.Random(1)
        self.numpy_generator = np.random.default_rng(1)
        self.numpy_state = np.random.RandomState(1)
        self.self_reference = [self]

    def forward(self, x):
        self.listed.append(4)
        self.listed[1].reverse()
        self.mapping["y"] = self.mapping.pop("x")
        self.mapping[5]["inner"].append(2)
        self.ordered.move_to_end("a")
        self.counts["new"] += 1
        self.members ^= {2, 3}
        self.recent.append(4)
        self.raw[0] = 0
        self.array += 1
        self.objects[0].append(2)
        self.objects[1] = "set"
        self.tensor.data[0] = 9.0  # does not advance the tensor's version
        self.nested[0]["list"][0].add_(1)
        self.nested[0]["list"].append(1)
        self.cache.keys.append(x)
        self.cache.keys[0].mul_(2)
        self.cache.length += 1
        self.memory.seen += 1
        self.memory.table["a"].append(2)
        self.memory.table["b"] = 1
        self.memory.added = 3
        self.names.count += 1
        self.names.seen.append(x)
        torch.rand(1, generator=self.torch_generator)
        self.python_generator.random()
        self.numpy_generator.random()
        self.numpy_state.rand()
        return self.layer(x)


def contents(value):
    """Plain values to compare, of all that a keeper holds."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, np.ndarray):
        return contents(value.tolist())
    if isinstance(value, dict):
        return [(key, contents(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return [contents(item) for item in value if not isinstance(item, nn.Module)]
    if isinstance(value, Cache | Memory | types.SimpleNamespace):
        return contents(vars(value))
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return str(value.get_state())
    return copy.copy(value)


def kept(model):
    return {
        name: contents(value)
        for name, value in vars(model).items()
        if not name.startswith("_") and not callable(value)
    }


def test_every_container_has_the_same_content_and_identity():
    model = Keeper()
    before, objects = kept(model), dict(vars(model))
    deepnrc.measure(model, [regression_data(40)], progress=False)
    after = kept(model)
    for name, value in before.items():
        assert after[name] == value, name
        assert vars(model)[name] is objects[name]


def test_the_model_itself_would_have_changed_each():
    model = Keeper()
    before = kept(model)
    model(torch.randn(3, 8))
    unchanged = [name for name, value in kept(model).items() if value == before[name]]
    assert unchanged == ["training", "self_reference"]


def test_after_an_exception_too():
    model = Keeper()
    before = kept(model)

    def interrupted():
        model(torch.randn(3, 8))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), contents_kept(model):
        interrupted()
    assert kept(model) == before


def test_a_shape_that_changed_is_put_back():
    model = nn.Linear(2, 2)
    model.array, model.tensor = np.zeros(3), torch.zeros(3)
    with contents_kept(model):
        model.array.resize(5, refcheck=False)
        model.tensor.data = torch.ones(7)
    assert model.array.tolist() == [0, 0, 0]
    assert model.tensor.tolist() == [0, 0, 0]


def test_modules_added_by_the_model_go_again():
    model = nn.Sequential(nn.Linear(2, 2))
    with contents_kept(model):
        model.add_module("late", nn.Linear(2, 2))
    assert list(model._modules) == ["0"]


def test_what_is_too_large_is_named_where_it_changed(monkeypatch):
    monkeypatch.setattr(kept_contents, "_BYTES", 100)

    class Bank(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 2)
            self.bank, self.other = torch.zeros(50), torch.zeros(50)
            self.table, self.fixed = np.zeros(50), np.zeros(50)

        def forward(self, x):
            self.bank[0] += 1
            self.table[0] += 1
            return self.layer(x)

    measured = deepnrc.measure(
        nn.Sequential(Bank()), in_batches(*regression_data(40)), progress=False
    )
    assert measured.notes == (
        "the model changed its 0.bank, 0.table while it was measured, too large to be put back in "
        "content: reset it before you go on",
    )


def test_objects_of_other_packages_are_left_alone():
    """A trainer, a logger or a process pool may change meanwhile, on threads of its own."""
    model = nn.Linear(2, 2)
    model.trainer = type("Trainer", (), {"__module__": "another.package"})()
    model.trainer.logged = [1]
    with contents_kept(model):
        model.trainer.logged.append(2)
    assert model.trainer.logged == [1, 2]


def test_a_read_only_array_and_an_inference_tensor_are_passed_over():
    model = nn.Linear(2, 2)
    model.array = np.arange(3)
    model.array.setflags(write=False)
    with torch.inference_mode():
        model.tensor = torch.zeros(2)
    with contents_kept(model) as changed:
        pass
    assert changed == []
