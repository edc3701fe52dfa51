"""Measure a model of several outputs: a record for each, from one pass over the data."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from deepnrc.passes.collect import collect_by_head
from deepnrc.passes.head_options import HeadOptions
from deepnrc.passes.heads import HeadOutputs
from deepnrc.passes.loaders import Data
from deepnrc.passes.options import takes_options
from deepnrc.results.evaluate import evaluate
from deepnrc.results.head_measurements import HeadMeasurements
from deepnrc.results.measurement import Measurement

__all__ = ["measure_given", "measure_heads"]


@takes_options
def measure_heads(
    model: nn.Module,
    loader: Data,
    outputs: Mapping[Any, Any] | None = None,
    **options: Any,
) -> HeadMeasurements:
    """Deep NRC of a model of several outputs: a measurement for each, by the layers on its path.

    All heads share the passes over the data: the model runs as often as for one. Memory is that of
    a measurement for each head.

    Args:
        model: As of `deepnrc.measure`.
        loader: Yields (inputs, targets) where the targets are a mapping {head: targets}, a
            NamedTuple, a dataclass, or a tuple whose heads are called ``"0"``, ``"1"``, ….
        outputs: Which of the model's outputs is whose: a key, an index, an attribute or a function
            of what it returns, by head. A head that is not named takes the output under its own
            key, attribute or position.
        options: See `MeasureOptions`; ``task``, ``classes``, ``signal_rank``, ``target_dim_axis``
            and ``last_layer`` may be mappings {head: value}.

    Returns:
        The measurements by head; ``print`` shows a table each, ``.diagnose()`` judges each.

    Raises:
        ArgumentError: An argument is of the wrong kind or range, or a head has no output.
        DataError: The targets have no heads, or other ones than before.

    Example:
        >>> import torch
        >>> class Actor(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.body = torch.nn.Linear(8, 16)
        ...         self.mean, self.value = torch.nn.Linear(16, 2), torch.nn.Linear(16, 1)
        ...
        ...     def forward(self, x):
        ...         h = self.body(x).relu()
        ...         return {"mean": self.mean(h), "value": self.value(h)}
        >>> x = torch.randn(100, 8)
        >>> batches = [(x, {"mean": x[:, :2], "value": x[:, 2]})]
        >>> heads = measure_heads(Actor(), batches)
        >>> heads["mean"].target_dim, heads["value"]["mean"].role
        (2, 'side')
    """
    given = HeadOptions.given(options)
    found = collect_by_head(model, loader, given, HeadOutputs(outputs), single=False)
    return HeadMeasurements(heads={head: evaluate(one) for head, one in found.items()})


def measure_given(
    model: nn.Module,
    loader: Data,
    outputs: Mapping[Any, Any] | None = None,
    **options: Any,
) -> Measurement | HeadMeasurements:
    """`deepnrc.measure` or `measure_heads`, as the targets turn out to be."""
    found = collect_by_head(model, loader, HeadOptions.given(options), HeadOutputs(outputs))
    measured = {head: evaluate(one) for head, one in found.items()}
    return measured[""] if "" in measured else HeadMeasurements(heads=measured)
