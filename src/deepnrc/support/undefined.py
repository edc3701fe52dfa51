"""A value that does not exist, and why: never replaced by 0, 1 or silence."""

from dataclasses import dataclass

__all__ = ["Undefined"]


@dataclass(frozen=True)
class Undefined:
    """A value that is not defined.

    Attributes:
        reason: Why, in a sentence without a full stop.
    """

    reason: str
