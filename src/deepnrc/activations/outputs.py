"""Which of several outputs of a model are its predictions."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["Output", "select_output"]

Output = str | int | Callable[[Any], Any] | None
"""What ``output=`` takes: a key or an attribute, an index, a function, or None."""


def select_output(output: Output, returned: Any) -> Any:
    """The predictions among what a model returned.

    Args:
        output: The option; None takes a tensor as it is, and ``logits`` of an object that has
            them, as Hugging Face's models return.
        returned: By the model.

    Raises:
        ArgumentError: There is nothing of that name or index.
    """
    if output is None:
        logits = getattr(returned, "logits", None)
        return logits if isinstance(logits, Tensor) else returned
    if callable(output):
        return output(returned)
    if isinstance(output, int):
        try:
            return returned[output]
        except (IndexError, KeyError, TypeError):
            raise ArgumentError(
                f"output={output}: the model returned {_described(returned)}: pass an index it has"
            ) from None
    if isinstance(returned, Mapping) and output in returned:
        return returned[output]
    if not isinstance(returned, Mapping) and hasattr(returned, output):
        return getattr(returned, output)
    known = list(map(str, returned)) if isinstance(returned, Mapping) else list(_fields(returned))
    raise ArgumentError(
        f"output={output!r}: the model returned {_described(returned)}: "
        f"{did_you_mean(output, known)}pass a key, an attribute, an index or a function"
    )


def _fields(returned: Any) -> list[str]:
    return list(vars(returned)) if hasattr(returned, "__dict__") else []


def _described(returned: Any) -> str:
    kind = type(returned).__name__
    if isinstance(returned, Mapping):
        return f"a {kind} with the keys {', '.join(map(repr, returned))}"
    if isinstance(returned, tuple | list):
        return f"a {kind} of {len(returned)}"
    return f"a {kind}"
