"""Recurrent networks: LSTM, GRU and RNN, of any number of layers and directions.

Torch shows what enters the first layer and what leaves the last. What passes between the layers is
computed once more, with the module's own weights, and compared with what the module returned.
"""

import functools
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from deepnrc.activations.kinds.agreement import agree
from deepnrc.activations.kinds.part import Call, Entering, Padded, Part, Parts, is_matrix
from deepnrc.activations.kinds.recurrent_steps import (
    Layer,
    Steps,
    layer_outputs,
    projected_states,
    states_before,
)
from deepnrc.support.undefined import Undefined

__all__ = ["recurrent"]

_KINDS = {"ih": "recurrent_input", "hh": "recurrent_state", "hr": "recurrent_projection"}
_OWN = (nn.LSTM.forward, nn.GRU.forward, nn.RNN.forward)


def recurrent(module: nn.Module) -> Parts | None:
    """Torch's recurrent networks; each weight, such as ``weight_ih_l0``, is a part.

    What enters ``weight_ih`` is the layer's input, what enters ``weight_hh`` the state before each
    step, from h_0 on, and what enters ``weight_hr`` (of ``proj_size``) the state that it projects.
    """
    if not isinstance(module, nn.RNNBase):
        return None
    weights = [name for name in module._flat_weights_names if name.startswith("weight")]
    if not all(is_matrix(getattr(module, name, None)) for name in weights):
        return None
    parts = tuple(_part(module, name) for name in weights)
    return Parts(parts, after=functools.partial(_entering, module))


def _part(module: nn.RNNBase, name: str) -> Part:
    which, layer = name.split("_")[1:3]
    steps = 1 + (module.proj_size > 0)
    return Part(
        name,
        _KINDS[which],
        getattr(module, name).shape[1],
        functools.partial(getattr, module, name),
        bias=functools.partial(getattr, module, name.replace("weight", "bias", 1), None),
        level=steps * int(layer.removeprefix("l")) + (which == "hr"),
    )


def _entering(module: nn.RNNBase, call: Call) -> Iterator[tuple[str, Entering]]:
    try:
        found = dict(_found(module, call))
    except Exception as error:  # a subclass may take and return anything
        said = str(error).splitlines()[0] if str(error) else ""
        reason = Undefined(f"its steps cannot be followed ({type(error).__name__}: {said[:80]})")
        found = dict.fromkeys(module._flat_weights_names, reason)
    yield from found.items()


def _found(module: nn.RNNBase, call: Call) -> Iterator[tuple[str, Entering]]:
    given = call.argument(0, "input")
    steps = Steps.of(given, batch_first=module.batch_first)
    returned = Steps.of(call.output[0], batch_first=module.batch_first)
    states = steps.states(module, call.argument(1, "hx"))
    trusted = module.num_layers == 1 and type(module).forward in _OWN
    entering: list[tuple[str, Tensor]] = []
    for number, state in enumerate(states):
        layer = Layer.of(module, number)
        outputs = returned if trusted else layer_outputs(layer, steps, state)
        entering += _of_layer(layer, steps, outputs, state)
        steps = outputs
    right = trusted or agree(steps.data, returned.data)
    for name, values in entering:
        if right:
            yield name, _as_called(values, module, given, steps)
        else:
            yield (
                name,
                Undefined(
                    "its output is not that of its weights, so that what passes inside is not known"
                ),
            )


def _of_layer(
    layer: Layer, steps: Steps, outputs: Steps, state: tuple[Tensor, ...]
) -> Iterator[tuple[str, Tensor]]:
    """What enters each weight of a layer: steps × samples × width."""
    below, above = steps.padded(), outputs.padded()
    size = above.shape[-1] // len(layer.weights)
    for number, names in enumerate(layer.weights):
        before = states_before(
            above[..., number * size : (number + 1) * size],
            state[0][number],
            steps.lengths,
            reverse=number == 1,
        )
        yield names[0], below
        yield names[1], before
        if names[-1].startswith("weight_hr"):
            projected = projected_states(layer, number, below, before, state[1][number], steps)
            yield names[-1], projected


def _as_called(values: Tensor, module: nn.RNNBase, given: object, steps: Steps) -> Tensor | Padded:
    """In the form in which the module takes its input; by sample where it is packed."""
    if isinstance(given, PackedSequence):
        return Padded(values.transpose(0, 1), steps.kept())
    assert isinstance(given, Tensor)
    if given.ndim == 2:
        return values[:, 0]
    return values.transpose(0, 1) if module.batch_first else values
