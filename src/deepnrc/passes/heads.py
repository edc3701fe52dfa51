"""Several targets, each a head: their names, and which of a model's outputs belongs to which."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from deepnrc.activations.outputs import Output, select_output
from deepnrc.errors import ArgumentError, DataError, DeepNRCError
from deepnrc.support.suggestions import did_you_mean, nearest

__all__ = ["HeadOutputs", "heads_of", "listed", "naming_head", "samples_of"]


def heads_of(given: Any, samples: int | None = None) -> dict[str, Any] | None:
    """Targets by the name of their head; None where they are those of a single one.

    Args:
        given: What a batch holds as targets. A mapping, a NamedTuple and a dataclass have names;
            the heads of a tuple, or of the list that a DataLoader makes of it, are called by
            their position, ``"0"``, ``"1"``.
        samples: In the inputs, where known: a list of as many vectors is their rows.
    """
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        return {f.name: getattr(given, f.name) for f in dataclasses.fields(given)}
    if not isinstance(given, tuple | list) or not given or not all(map(_is_array, given)):
        return None
    if hasattr(given, "_fields"):
        return dict(zip(given._fields, given, strict=True))
    if isinstance(given, list) and len(given) == samples and all(x.ndim == 1 for x in given):
        return None
    return {str(position): value for position, value in enumerate(given)}


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.ndim >= 1


def samples_of(targets: Mapping[str, Any]) -> int:
    """Samples of a batch, the same for each of its heads.

    Raises:
        DataError: There is no head, one of them is nested, or they have other numbers of samples.
    """
    if not targets:
        raise DataError("targets hold no head: yield a mapping {name: targets of that head}")
    for name, given in targets.items():
        if isinstance(given, Mapping):
            raise DataError(
                f"targets of head '{name}' are a mapping themselves: flatten the heads with unpack="
            )
        if np.ndim(given) == 0:
            raise DataError(
                f"targets of head '{name}' must have an axis of samples; got "
                f"{type(given).__name__} without one: yield one row a sample"
            )
    counts = {name: len(given) for name, given in targets.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{count} of head '{name}'" for name, count in counts.items())
        raise DataError(
            f"targets must have as many samples in each head; got {shown}: pick heads of the same "
            "samples with unpack="
        )
    return next(iter(counts.values()))


class HeadOutputs:
    """Finds the predictions of each head among what a model returns.

    Args:
        outputs: Key, index, attribute or function by the name of the head. A head that is not
            named takes what the model returns under the head's own name or position.
    """

    def __init__(self, outputs: Mapping[Any, Output] | None = None) -> None:
        if outputs is not None and not isinstance(outputs, Mapping):
            raise ArgumentError(
                "outputs must be a mapping {head: key, index, attribute or function}; got a "
                f"{type(outputs).__name__}"
            )
        self._outputs = {str(name): output for name, output in (outputs or {}).items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the heads that are named."""
        return tuple(self._outputs)

    def check(self, heads: Mapping[str, Any]) -> None:
        """Refuse a name that is none of the heads'.

        Raises:
            ArgumentError: The message shows the names on both sides.
        """
        for name in self._outputs:
            if name not in heads:
                raise ArgumentError(
                    f"outputs names {listed(self._outputs)}, but the targets' heads are "
                    f"{listed(heads)}: {did_you_mean(name, heads)}pass outputs= by these names"
                )

    def of(self, returned: Any, heads: Mapping[str, Any]) -> dict[str, Any]:
        """The predictions of each head.

        Args:
            returned: By the model.
            heads: Their targets by name.

        Raises:
            ArgumentError: There is none for a head.
        """
        return {name: self._of_head(name, returned, heads) for name in heads}

    def _of_head(self, name: str, returned: Any, heads: Mapping[str, Any]) -> Any:
        if name in self._outputs:
            try:
                return select_output(self._outputs[name], returned)
            except ArgumentError as error:
                raise ArgumentError(f"outputs of head '{name}': {error}") from None
        if isinstance(returned, Mapping):
            if name in returned:
                return returned[name]
            has = f"a {type(returned).__name__} with the keys {listed(returned)}"
        elif name.isdigit() and isinstance(returned, tuple | list):
            if int(name) < len(returned):
                return returned[int(name)]
            has = f"a {type(returned).__name__} of {len(returned)}"
        elif not isinstance(returned, Tensor) and hasattr(returned, name):
            return getattr(returned, name)
        elif len(heads) == 1:
            return returned  # the only output is that of the only head
        else:
            has = _described(returned)
        raise ArgumentError(
            f"head '{name}' has no output of its name: the targets' heads are {listed(heads)}, "
            f"and the model returned {has}: pass outputs={_example(name, returned, heads)}, which "
            "takes a key, an index, an attribute or a function for each head"
        )


@contextlib.contextmanager
def naming_head(head: str) -> Iterator[None]:
    """Add the head's name to an error."""
    try:
        yield
    except DeepNRCError as error:
        if head:
            error.args = (f"head '{head}': {error}",)
        raise


def listed(names: Any) -> str:
    """Names in quotes, in their order."""
    return ", ".join(repr(str(name)) for name in names)


def _described(returned: Any) -> str:
    kind = type(returned).__name__
    if isinstance(returned, tuple | list):
        return f"a {kind} of {len(returned)}"
    if isinstance(returned, Tensor):
        return f"one tensor of shape {tuple(returned.shape)}"
    names = [n for n in getattr(returned, "__dict__", {}) if not n.startswith("_")]
    return f"a {kind} with the attributes {listed(names)}" if names else f"a {kind}"


def _example(name: str, returned: Any, heads: Mapping[str, Any]) -> str:
    """A call that would fit in kind."""
    if isinstance(returned, Tensor):
        return f"{{'{name}': lambda out: out[:, :1]}}"
    if isinstance(returned, tuple | list) and not hasattr(returned, "_fields"):
        return f"{{{', '.join(f'{head!r}: {i}' for i, head in enumerate(heads))}}}"
    keys = [str(key) for key in returned] if isinstance(returned, Mapping) else []
    return f"{{'{name}': {(nearest(name, keys) or '…')!r}}}"
