"""Named things that users can add to: built in, registered, or offered by a package."""

import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from deepnrc.errors import ArgumentError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Items of one kind by name.

    A package adds its own by an entry point of the group, name = "package.module:object" (PyPA's
    entry points specification); a script by `register`. Items are imported when they are asked
    for.

    Args:
        kind: What an item is, for messages: ``"data set"``.
        group: Of entry points: ``"deepnrc.data_sets"``.
        item_type: What an item must be an instance of.
        built_in: By name: ``"package.module:object"``, imported when it is asked for, or any
            other object, which is the item itself.
    """

    def __init__(
        self, kind: str, group: str, item_type: Any, built_in: Mapping[str, Any] | None = None
    ) -> None:
        self.kind, self.group = kind, group
        self._type = item_type
        self._built_in = dict(built_in or {})
        self._registered: dict[str, T] = {}

    def register(self, name: str, item: T) -> T:
        """Add an item; returns it.

        Raises:
            ArgumentError: The name is taken, or the item is of another type.
        """
        if name in self.names():
            raise ArgumentError(f"there is a {self.kind} '{name}' already: choose another name")
        self._registered[name] = self._checked(name, item, "register()")
        return item

    def unregister(self, name: str) -> None:
        """Take back what `register` added; nothing happens where it did not."""
        self._registered.pop(name, None)

    def names(self) -> tuple[str, ...]:
        """Every name: built in first, then those of packages, then registered ones."""
        return tuple(dict.fromkeys([*self._built_in, *self._entry_points(), *self._registered]))

    def find(self, name: str) -> T:
        """The item of a name.

        Raises:
            ArgumentError: There is none; the message names the nearest. Or the package that offers
                it cannot be imported or offers something else.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._built_in:
            item = self._built_in[name]
            if isinstance(item, str):
                module, _, attribute = item.partition(":")
                item = getattr(importlib.import_module(module), attribute)
            return cast(T, item)
        points = self._entry_points()
        if name not in points:
            raise ArgumentError(
                f"there is no {self.kind} '{name}': {did_you_mean(name, self.names())}"
                f"There are {', '.join(self.names()) or 'none'}"
            )
        point = points[name]
        try:
            loaded = point.load()
        except Exception as error:
            raise ArgumentError(
                f"{self.kind} '{name}' is offered by the entry point {point.value!r} of "
                f"{_owner(point)}, which cannot be imported ({type(error).__name__}: {error}): "
                "update or remove that package"
            ) from error
        return self._checked(name, loaded, f"the entry point {point.value!r} of {_owner(point)}")

    def _entry_points(self) -> dict[str, EntryPoint]:
        points = {point.name: point for point in entry_points(group=self.group)}
        return {name: point for name, point in points.items() if name not in self._built_in}

    def _checked(self, name: str, item: Any, origin: str) -> T:
        if not isinstance(item, self._type):
            wanted = getattr(self._type, "__name__", self._type)
            raise ArgumentError(
                f"{self.kind} '{name}' of {origin}: expected a {wanted}, got {type(item).__name__}"
            )
        return cast(T, item)


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"
