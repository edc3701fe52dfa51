"""The steps of a recurrent layer: inputs and states, step by step, packed or not."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

__all__ = ["Layer", "Steps", "layer_outputs", "projected_states", "states_before"]


@dataclass(frozen=True)
class Steps:
    """A sequence of each sample.

    Attributes:
        data: Steps × samples × width; of a packed sequence its rows.
        packed: How it was packed; None: it was not.
    """

    data: Tensor
    packed: PackedSequence | None = None

    @classmethod
    def of(cls, given: Any, *, batch_first: bool) -> "Steps":
        """As a recurrent module takes and returns it; without an axis of samples: one sample."""
        if isinstance(given, PackedSequence):
            return cls(given.data, given)
        if given.ndim == 2:
            return cls(given[:, None])
        return cls(given.transpose(0, 1) if batch_first else given)

    @property
    def samples(self) -> int:
        """Number of sequences."""
        return int(self.data.shape[1] if self.packed is None else self.packed.batch_sizes[0])

    @property
    def lengths(self) -> Tensor | None:
        """Of each sample's sequence; None: they are all the same."""
        if self.packed is None:
            return None
        return pad_packed_sequence(self.packed)[1].to(self.data.device)

    def kept(self) -> Tensor:
        """Samples × steps, true where a packed sequence has data."""
        count, samples = self.padded().shape[:2]
        if self.lengths is None:
            return torch.ones(samples, count, dtype=torch.bool, device=self.data.device)
        return torch.arange(count, device=self.data.device) < self.lengths[:, None]

    def padded(self) -> Tensor:
        """Steps × samples × width, 0 where there is no data, samples in the batch's order."""
        if self.packed is None:
            return self.data
        return pad_packed_sequence(self.packed._replace(data=self.data))[0]

    def states(self, module: nn.RNNBase, given: Any) -> list[tuple[Tensor, ...]]:
        """h_0 (and c_0 of an LSTM) of each layer: directions × samples × width."""
        directions = 1 + module.bidirectional
        widths = [module.proj_size or module.hidden_size]
        widths += [module.hidden_size] * (module.mode == "LSTM")
        if given is None:
            count = module.num_layers * directions
            all_states = [self.data.new_zeros(count, self.samples, width) for width in widths]
        else:
            both = list(given) if isinstance(given, tuple | list) else [given]
            all_states = [x[:, None] if x.ndim == 2 else x for x in both]
        split = [x.reshape(module.num_layers, directions, *x.shape[1:]) for x in all_states]
        return [tuple(x[layer] for x in split) for layer in range(module.num_layers)]


@dataclass(frozen=True)
class Layer:
    """One layer of a recurrent module.

    Attributes:
        module: Whose layer it is.
        weights: Names of the weights and biases of each direction.
    """

    module: nn.RNNBase
    weights: list[list[str]]

    @classmethod
    def of(cls, module: nn.RNNBase, number: int) -> "Layer":
        """The layer of a number."""
        directions = 1 + module.bidirectional
        names = module._all_weights[number * directions : (number + 1) * directions]
        return cls(module, [list(x) for x in names])

    def read(self, direction: int, name: str) -> Tensor | None:
        """A weight or bias by the start of its name, such as ``"bias_ih"``."""
        found = next((x for x in self.weights[direction] if x.startswith(name)), None)
        return None if found is None else getattr(self.module, found)


def layer_outputs(layer: Layer, steps: Steps, state: tuple[Tensor, ...]) -> Steps:
    """What a layer makes of its inputs, both directions side by side."""
    module, packed = layer.module, steps.packed
    function = getattr(torch, module.mode.lower())
    weights = [getattr(module, name) for names in layer.weights for name in names]
    if packed is not None and packed.sorted_indices is not None:
        state = tuple(x.index_select(1, packed.sorted_indices) for x in state)
    state = tuple(x.contiguous() for x in state)
    start = state if module.mode == "LSTM" else state[0]
    rest = (weights, bool(module.bias), 1, 0.0, False, bool(module.bidirectional))
    with warnings.catch_warnings():  # that weights of one layer do not fill cuDNN's buffer
        warnings.simplefilter("ignore")
        if packed is None:
            outputs = function(steps.data, start, *rest, False)[0]
        else:
            outputs = function(steps.data, packed.batch_sizes, start, *rest)[0]
    return replace(steps, data=outputs)


def states_before(
    outputs: Tensor, first: Tensor, lengths: Tensor | None, *, reverse: bool
) -> Tensor:
    """The state before each step: steps × samples × width.

    Args:
        outputs: The states after each step.
        first: h_0, samples × width.
        lengths: Of each sample's sequence; None: they are all the same.
        reverse: Whether the steps run from the last to the first.
    """
    first = first.to(outputs.dtype)
    if not reverse:
        return torch.cat([first[None], outputs[:-1]])
    shifted = torch.cat([outputs[1:], first[None]])
    return shifted if lengths is None else torch.where(_last(lengths, outputs), first, shifted)


def _last(lengths: Tensor, like: Tensor) -> Tensor:
    steps = torch.arange(len(like), device=like.device)
    return (steps[:, None] == lengths - 1)[..., None]


def projected_states(
    layer: Layer, direction: int, below: Tensor, before: Tensor, cell: Tensor, steps: Steps
) -> Tensor:
    """What an LSTM of ``proj_size`` projects at each step, o ∘ tanh(c)."""
    given = layer.read(direction, "weight_ih"), layer.read(direction, "bias_ih")
    recurrent = layer.read(direction, "weight_hh"), layer.read(direction, "bias_hh")
    gates = _linear(below, *given) + _linear(before, *recurrent)
    i, f, g, o = gates.chunk(4, -1)
    added, lengths, first = i.sigmoid() * g.tanh(), steps.lengths, cell.to(gates.dtype)
    found: list[Tensor] = []
    order = range(len(gates)) if direction == 0 else reversed(range(len(gates)))
    cell = first
    for step in order:
        if direction == 1 and lengths is not None:
            cell = torch.where((lengths - 1 == step)[:, None], first, cell)
        cell = f[step].sigmoid() * cell + added[step]
        found.append(o[step].sigmoid() * cell.tanh())
    return torch.stack(found if direction == 0 else found[::-1])


def _linear(rows: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    assert weight is not None
    return nn.functional.linear(rows, weight, bias)
