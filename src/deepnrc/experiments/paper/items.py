"""What ``deepnrc reproduce`` makes, by name."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.last_layer import ITEMS
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.experiments.paper.tables import TableFigure
from deepnrc.report.heat_maps import HeatFigure
from deepnrc.report.panels import PanelFigure

__all__ = ["ITEM_NAMES", "Item", "Product", "find_items"]

Product = PanelFigure | HeatFigure | TableFigure

_MODULES = {
    **{f"fig{i}": f"fig{i}" for i in range(1, 10)},
    "table1": "table1",
    "table2": "table2",
    "prop1": "proposition",
    "variants": "variants",
    "held-out": "held_out",
    "collapse-map": "collapse_map",
    "true-rank": "true_rank",
}
_LAST_LAYER = {item.name: item for item in ITEMS}
ITEM_NAMES = (*_MODULES, *_LAST_LAYER)


@runtime_checkable
class Item(Protocol):
    """A module of one figure, or one of [A24]'s figures."""

    @property
    def TITLE(self) -> str:  # noqa: N802  - a module's constant
        """What it shows."""

    @property
    def GROUPS(self) -> tuple[str, ...]:  # noqa: N802
        """The groups of runs it is made from."""

    def make(self, groups: Mapping[str, GroupRuns]) -> Product:
        """The figure or table from the finished runs of its groups."""


def find_items(names: Sequence[str]) -> dict[str, Item]:
    """The figures and tables by name, in the papers' order; ``"all"`` is each of them.

    Raises:
        ArgumentError: There is none of a name; the message names the nearest.
    """
    for name in names:
        if name not in (*ITEM_NAMES, "all"):
            near = difflib.get_close_matches(name, ITEM_NAMES, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ArgumentError(
                f"there is no figure or table '{name}'; {hint}There are {', '.join(ITEM_NAMES)}, "
                "and all"
            )
    wanted = ITEM_NAMES if "all" in names else [name for name in ITEM_NAMES if name in names]
    return {name: _item(name) for name in wanted}


def _item(name: str) -> Item:
    if name in _LAST_LAYER:
        return _LAST_LAYER[name]
    module: Item = importlib.import_module(f"{__package__}.{_MODULES[name]}")
    return module
