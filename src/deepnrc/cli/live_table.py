"""A live table of all runs on a terminal; a line for each run that ends in a pipe."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from deepnrc.training.sweeps.sweep import MemberStatus

__all__ = ["LiveTable"]

_STYLES = {
    "running": "cyan",
    "failed": "red",
    "waiting": "default",
    "done": "green",
    "done before": "green",
}
"""Colors by state; where the terminal is too small, runs of the first states are shown."""


class LiveTable:
    """Shows the status of all runs while its context lasts."""

    def __init__(self) -> None:
        self._live: Any = None
        self._ended: set[str] = set()

    def __enter__(self) -> "LiveTable":
        if sys.stdout.isatty():
            from rich.live import Live  # noqa: PLC0415

            self._live = Live(refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, statuses: "Sequence[MemberStatus]") -> None:
        """Update the status of every run."""
        if self._live is not None:
            self._live.update(_table(statuses, self._live.console.height - 8))
            return
        for status in statuses:
            name = status.member.name
            if not status.has_ended or name in self._ended:
                continue
            self._ended.add(name)
            loss = "" if status.loss is None else f", loss {status.loss:.3e}"
            print(
                f"{len(self._ended):>4}/{len(statuses)}  {name}: {status.state} after "
                f"{status.epoch} epochs{loss}",
                flush=True,
            )


def _table(statuses: "Sequence[MemberStatus]", rows: int) -> "Table":
    """All runs, or where they do not fit those that are running, failed or next."""
    from rich.table import Table  # noqa: PLC0415

    states = [status.state for status in statuses]
    counts = [f"{states.count(state)} {state}" for state in _STYLES if state in states]
    shown = list(statuses)
    if len(shown) > max(rows, 1):
        order = list(_STYLES)
        shown = sorted(shown, key=lambda status: order.index(status.state))[: max(rows, 1)]
    table = Table(title=", ".join(counts), title_justify="left", title_style="bold")
    table.add_column("run", overflow="fold")
    for column in ("epoch", "loss", "state"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
    for status in shown:
        table.add_row(
            status.member.name.replace("[", r"\["),
            f"{status.epoch}/{status.member.config.training.epochs}",
            "" if status.loss is None else f"{status.loss:.3e}",
            f"[{_STYLES[status.state]}]{status.state}",
        )
    return table
