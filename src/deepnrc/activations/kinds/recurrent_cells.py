"""One step of a recurrent network: LSTMCell, GRUCell and RNNCell."""

import functools
from collections.abc import Iterable

from torch import Tensor, nn

from deepnrc.activations.kinds.part import Call, Entering, Part, Parts, is_matrix
from deepnrc.errors import LayerError

__all__ = ["recurrent_cell"]


def recurrent_cell(module: nn.Module) -> Parts | None:
    """Torch's recurrent cells: the weight of the input and that of the state before the step."""
    names = {"weight_ih": "recurrent_input", "weight_hh": "recurrent_state"}
    if not isinstance(module, nn.RNNCellBase):
        return None
    if not all(is_matrix(getattr(module, name, None)) for name in names):
        return None
    parts = tuple(
        Part(
            name,
            kind,
            getattr(module, name).shape[1],
            functools.partial(getattr, module, name),
            bias=functools.partial(getattr, module, name.replace("weight", "bias"), None),
        )
        for name, kind in names.items()
    )
    return Parts(parts, before=functools.partial(_entering, module))


def _entering(module: nn.RNNCellBase, call: Call) -> Iterable[tuple[str, Entering]]:
    features, state = call.argument(0, "input"), call.argument(1, "hx")
    if not isinstance(features, Tensor):
        raise LayerError("must be called with a tensor; got none: leave it out with layers=")
    yield "weight_ih", features
    if isinstance(state, tuple | list):  # of an LSTM: (h, c)
        state = state[0]
    if state is None:
        state = features.new_zeros(*features.shape[:-1], module.hidden_size)
    yield "weight_hh", state
