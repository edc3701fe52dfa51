"""A progress bar on a terminal; in a pipe only a line in the log."""

import logging
import sys
from typing import Any

__all__ = ["Progress"]

_log = logging.getLogger("deepnrc")


class Progress:
    """Context manager of a pass: says its plan and counts its batches, on standard error.

    Shown only when enabled and standard error is a terminal; the bar only for loaders with a
    length. A plan that is not shown goes to the log of the name ``deepnrc``, at level INFO.

    Args:
        loader: What is iterated; its length, if it has one, is the bar's total.
        enabled: Whether to show anything.
        label: What the bar is called.
    """

    def __init__(self, loader: object, *, enabled: bool = True, label: str = "measuring") -> None:
        self._enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self._label = label
        self._bar: Any = None
        self._task: Any = None
        self._total = _length(loader) if self._enabled else None

    def __enter__(self) -> "Progress":
        if self._enabled and self._total is not None:
            import rich.console  # noqa: PLC0415  - slow to import, and only a terminal needs it
            import rich.progress  # noqa: PLC0415

            console = rich.console.Console(stderr=True)
            self._bar = rich.progress.Progress(console=console, transient=True)
            self._task = self._bar.add_task(self._label, total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A line or more of information, above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        elif self._enabled:
            print(text, file=sys.stderr)
        else:
            _log.info("%s", text)

    def advance(self) -> None:
        """One more batch is done."""
        if self._bar is not None:
            self._bar.advance(self._task)


def _length(loader: object) -> int | None:
    try:
        return len(loader)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):  # the latter is what torch's samplers raise
        return None
