"""Nests keep their types: what is moved or cast comes back as what it was."""

import collections
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tensordict import TensorDict
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from transformers import BatchEncoding
from transformers.modeling_outputs import BaseModelOutput

from deepnrc.activations.evidence.samples import samples_from
from deepnrc.activations.nests import cast_inputs, to_device

CPU, META = torch.device("cpu"), torch.device("meta")
Step = collections.namedtuple("Step", "state time")


@dataclass(frozen=True)
class Frozen:
    state: torch.Tensor
    name: str


def graphs():
    from torch_geometric.data import Batch, Data

    edges = torch.tensor([[0, 1], [1, 2]])
    return Batch.from_data_list(
        [Data(x=torch.full((3, 2), float(i)), edge_index=edges) for i in range(4)]
    )


class Own:
    """Knows how to move, and changes itself by it."""

    def __init__(self):
        self.state = torch.ones(4, 2)

    def to(self, device):
        self.state = self.state.to(device)
        return self


MADE = {
    "dict": lambda: {"a": torch.ones(4, 2)},
    "ordered": lambda: collections.OrderedDict(a=torch.ones(4, 2)),
    "default": lambda: collections.defaultdict(list, a=torch.ones(4, 2)),
    "named tuple": lambda: Step(torch.ones(4, 2), 3),
    "list": lambda: [torch.ones(4, 2), "word"],
    "tuple": lambda: (torch.ones(4, 2), 7, None),
    "dataclass": lambda: Frozen(torch.ones(4, 2), "a"),
    "batch encoding": lambda: BatchEncoding({"input_ids": torch.ones(4, 2)}),
    "model output": lambda: BaseModelOutput(last_hidden_state=torch.ones(4, 2)),
    "tensordict": lambda: TensorDict({"a": torch.ones(4, 2)}, batch_size=[4]),
    "graphs": graphs,
    "own": Own,
}  # fmt: skip


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Own | Frozen):
        return [value.state]
    if hasattr(value, "edge_index"):
        return [value.x]
    items = value.values() if hasattr(value, "values") else value
    return [x for item in items if not isinstance(item, str | int | None) for x in tensors(item)]


@pytest.mark.parametrize("kind", MADE)
def test_everything_moves_and_keeps_its_type(kind):
    nest = MADE[kind]()
    moved = to_device(nest, META)
    assert type(moved) is type(nest)
    assert [x.device for x in tensors(moved)] == [META]
    assert [x.device for x in tensors(nest)] == [CPU]  # what was given is not changed


@pytest.mark.parametrize("kind", [x for x in MADE if x != "own"])
def test_everything_is_cast_and_keeps_its_type(kind):
    nest = MADE[kind]()
    cast = cast_inputs(nest, torch.float64)
    assert type(cast) is type(nest)
    assert [x.dtype for x in tensors(cast)] == [torch.float64]
    assert [x.dtype for x in tensors(nest)] == [torch.float32]


@pytest.mark.parametrize("kind", [x for x in MADE if x != "own"])
@pytest.mark.parametrize(("start", "rows"), [(2, 2), (4, 8)])
def test_parts_keep_their_type(kind, start, rows):
    nest = MADE[kind]()
    part = samples_from(nest, start, 4)
    assert type(part) is type(nest)
    assert [len(x) for x in tensors(part)] == [rows * (3 if kind == "graphs" else 1)]


def test_what_is_no_tensor_stays_and_arrays_become_tensors():
    nest = {"b": [np.ones(3, dtype=np.float32), ("word", 7)], "c": None}
    moved = to_device(nest, CPU)
    assert torch.equal(moved["b"][0], torch.ones(3))
    assert moved["b"][1] == ("word", 7)
    assert moved["c"] is None
    one = torch.ones(2)
    assert to_device(one, CPU) is one


def test_packed_sequences():
    packed = pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    moved = to_device(packed, META)
    assert isinstance(moved, PackedSequence)
    assert moved.data.device == META
    assert cast_inputs(packed, torch.float64).data.dtype == torch.float64


def test_indices_of_graphs_and_masks_are_not_cast():
    cast = cast_inputs(graphs(), torch.float64)
    assert cast.edge_index.dtype == torch.int64
    assert cast_inputs({"mask": torch.ones(2, dtype=torch.bool)}, torch.float64)["mask"].dtype == (
        torch.bool
    )


def test_read_only_and_reversed_arrays_are_taken_without_warning():
    array = np.arange(6.0)
    array.flags.writeable = False
    assert to_device(array, CPU).tolist() == array.tolist()
    assert to_device(array[::-1], CPU).tolist() == array[::-1].tolist()
