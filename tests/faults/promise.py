"""A promise about files, and what trying to break it showed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Promise", "Tries"]


@dataclass
class Tries:
    """What trying showed.

    Attributes:
        count: How often it was tried.
        failures: What went wrong, in words.
        kinds: How often each outcome was seen.
    """

    count: int = 0
    failures: list[str] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, failure: str = "") -> None:
        """One more try with this outcome; a failure where it is described."""
        self.count += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if failure:
            self.failures.append(failure)


@dataclass(frozen=True)
class Promise:
    """A promise and how it is tested.

    Attributes:
        promise: In a sentence without a full stop.
        how: In a few words.
        run: Tries to break it in an empty folder.
        least: Tries that there must be at least.
    """

    promise: str
    how: str
    run: Callable[[Path], Tries]
    least: int
