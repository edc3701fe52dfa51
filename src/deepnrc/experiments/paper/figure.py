"""A figure or table of the reproduction: declared as data, made from finished runs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.heat_maps import HeatMaps
from deepnrc.report.panels import PanelGrid
from deepnrc.support.text import Table

__all__ = ["Chosen", "Figure", "Product", "for_each"]

Chosen = Sequence[GroupRuns]
Content = PanelGrid | HeatMaps | Table


@dataclass(frozen=True)
class Product:
    """A figure or table that was made.

    Attributes:
        name: The name of its files.
        title: What it shows.
        content: Panels, heat maps or a table.
        made_from: Data and settings, one line per source.
        findings: What it shows in these runs, as sentences.
    """

    name: str
    title: str
    content: Content
    made_from: tuple[str, ...]
    findings: tuple[str, ...]

    @property
    def text(self) -> str:
        """Title, findings and sources as lines."""
        return "\n".join([f"{self.name}: {self.title}", *self.findings, *self.made_from])


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure or table: what it is made from, and the functions that make it.

    The functions get the chosen runs: one `GroupRuns` for each of ``groups``, in that order.

    Attributes:
        name: Its name on the command line and of its files: lower-case letters, digits, hyphens.
        title: What it shows.
        groups: The names of the groups of runs that it is made from.
        only: By group, the settings that its runs must have, such as ``{"weight_decay": 1e-3}``;
            all runs of groups that are not named.
        content: Makes the panels, the heat maps or the table.
        findings: Makes the sentences about what is seen.
        made_from: Makes the lines about data and settings.
        order: The place in ``deepnrc reproduce all`` and on its page, lowest first.

    Raises:
        ArgumentError: The name cannot be that of a file, or ``only`` names another group.
    """

    name: str
    title: str
    groups: tuple[str, ...]
    content: Callable[[Chosen], Content]
    findings: Callable[[Chosen], Iterable[str]] = lambda chosen: ()
    made_from: Callable[[Chosen], Iterable[str]] = lambda chosen: (r.made_from for r in chosen)
    only: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    order: int = 1000

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name) or self.name == "all":
            raise ArgumentError(
                "name must be lower-case letters, digits and hyphens, and not 'all'; got "
                f"'{self.name}'"
            )
        for group in self.only.keys() - set(self.groups):
            raise ArgumentError(
                f"only: '{group}' is not among the groups of figure '{self.name}', "
                f"{', '.join(self.groups)}"
            )

    def make(self, groups: Mapping[str, GroupRuns]) -> Product:
        """The figure or table from finished runs by group.

        Raises:
            DataError: No run of a needed setting finished.
        """
        chosen = [groups[name].where(**self.only.get(name, {})) for name in self.groups]
        content = self.content(chosen)
        made_from, findings = tuple(self.made_from(chosen)), tuple(self.findings(chosen))
        return Product(self.name, self.title, content, made_from, findings)


def for_each(sentence: Callable[[GroupRuns], str]) -> Callable[[Chosen], tuple[str, ...]]:
    """Findings that are one sentence for each group."""
    return lambda chosen: tuple(sentence(runs) for runs in chosen)
