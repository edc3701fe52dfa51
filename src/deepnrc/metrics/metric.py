"""A metric: a function of a layer with a name, a label and its meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from deepnrc.errors import ArgumentError
from deepnrc.metrics.view import Undefined

__all__ = ["Metric"]

View = TypeVar("View")


@dataclass(frozen=True)
class Metric(Generic[View]):
    """A metric and how to read it.

    Attributes:
        name: Its name in code, tables and files: a Python identifier.
        compute: Function of a `deepnrc.LayerView` (or, for classification, of a `ClassView`) that
            returns the value, or `deepnrc.Undefined` with the reason.
        label: Short heading; the paper's number where it has one (Deep NRC's, not 2024's). Empty:
            the name.
        low: Least possible value; None where there is no bound.
        high: Greatest possible value; None where the width or the data set it.
        collapsed: What the value does under collapse, such as ``"→ 0"``.
        reading: What the value says, in one sentence for a newcomer.
        source: Paper and place.

    Raises:
        ArgumentError: The name is not an identifier, or ``compute`` cannot be called.

    Example:
        >>> import torch
        >>> from deepnrc import Metric, measure
        >>> inputs = torch.arange(8.0).reshape(4, 2)
        >>> energy = Metric("energy", lambda view: float(view.moments.feature_scatter.trace()))
        >>> measurement = measure(torch.nn.Linear(2, 1), [(inputs, inputs[:, 0])], metrics=[energy])
        >>> measurement[0].extra
        {'energy': 40.0}
    """

    name: str
    compute: Callable[[View], float | Undefined]
    label: str = ""
    low: float | None = None
    high: float | None = None
    collapsed: str = ""
    reading: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ArgumentError(
                f"a metric's name must be a Python identifier, such as 'my_metric'; got "
                f"{self.name!r}"
            )
        if not callable(self.compute):
            raise ArgumentError(
                f"metric '{self.name}': compute must be a function of a LayerView; got a "
                f"{type(self.compute).__name__}"
            )
