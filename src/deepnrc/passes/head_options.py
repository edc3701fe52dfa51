"""The options of each head: common ones, and some that may differ from head to head."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.passes.heads import listed
from deepnrc.passes.options import MeasureOptions
from deepnrc.support.suggestions import did_you_mean

__all__ = ["HeadOptions"]

_BY_HEAD = ("task", "classes", "signal_rank", "target_dim_axis", "last_layer")


class HeadOptions:
    """Options by head.

    Attributes:
        common: Where a head has none of its own.

    Args:
        common: See there.
        own: Values of an option by head, by the option's name.
    """

    def __init__(
        self, common: MeasureOptions, own: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.common = common
        self._own = own or {}

    @classmethod
    def given(cls, given: Mapping[str, Any]) -> "HeadOptions":
        """The options of keyword arguments, some of which may be mappings {head: value}.

        Raises:
            ArgumentError: A name is unknown or a value is out of range, also for a head.
        """
        own = {name: given[name] for name in _BY_HEAD if isinstance(given.get(name), Mapping)}
        own = {name: {str(head): x for head, x in values.items()} for name, values in own.items()}
        made = cls(MeasureOptions.of({k: v for k, v in given.items() if k not in own}), own)
        made.possible()
        return made

    def of(self, head: str) -> MeasureOptions:
        """Those of a head."""
        own = {name: values[head] for name, values in self._own.items() if head in values}
        try:
            return dataclasses.replace(self.common, **own) if own else self.common
        except ArgumentError as error:
            raise ArgumentError(f"head '{head}': {error}") from None

    def possible(self) -> list[MeasureOptions]:
        """The options that some head may have."""
        return [self.common, *(self.of(head) for values in self._own.values() for head in values)]

    def check(self, heads: Iterable[str]) -> None:
        """Refuse an option for a head that the targets do not have.

        Raises:
            ArgumentError: The message shows the names on both sides.
        """
        known = list(heads)
        for option, values in self._own.items():
            for name in values:
                if name not in known:
                    raise ArgumentError(
                        f"{option} names the head '{name}', but the targets' heads are "
                        f"{listed(known)}: {did_you_mean(name, known)}pass it by these names"
                    )
