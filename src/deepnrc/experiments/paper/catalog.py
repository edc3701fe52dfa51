"""The figures and claims of the reproduction: each file in their folders, and what users add."""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any

from deepnrc.experiments.paper.claim import Claim
from deepnrc.experiments.paper.figure import Figure
from deepnrc.support.registry import Registry

__all__ = ["all_claims", "claims", "figures", "find_figures", "register_claim", "register_figure"]


@cache
def figures() -> Registry[Figure]:
    """Figures and tables by name; those of the package are the ``FIGURE`` of each file."""
    found = {figure.name: figure for figure in _scan("figures", "FIGURE")}
    return Registry("figure or table", "deepnrc.figures", Figure, found)


@cache
def claims() -> Registry[Claim]:
    """Claims by their text; those of the package are the ``CLAIM`` of each file."""
    found = {claim.text: claim for claim in _scan("claims", "CLAIM")}
    return Registry("claim", "deepnrc.claims", Claim, found)


def register_figure(figure: Figure) -> Figure:
    """Add a figure or table to ``deepnrc reproduce``; returns it.

    Raises:
        ArgumentError: The name is taken.
    """
    return figures().register(figure.name, figure)


def register_claim(claim: Claim) -> Claim:
    """Add a claim to those that the page judges; returns it.

    Raises:
        ArgumentError: There is a claim with this text.
    """
    return claims().register(claim.text, claim)


def find_figures(names: Sequence[str]) -> dict[str, Figure]:
    """Figures and tables by name, sorted by their order; ``"all"`` is every one.

    Raises:
        ArgumentError: There is no figure of a name; the message names the nearest.
    """
    found = [figures().find(name) for name in names if name != "all"]
    if "all" in names:
        found += [figures().find(name) for name in figures().names()]
    return {figure.name: figure for figure in sorted(found, key=lambda figure: figure.order)}


def all_claims() -> list[Claim]:
    """Every claim, sorted by its order."""
    return sorted((claims().find(n) for n in claims().names()), key=lambda claim: claim.order)


def _scan(folder: str, attribute: str) -> list[Any]:
    """An attribute of each module in a folder of this package, sorted by order."""
    package = importlib.import_module(f"{__package__}.{folder}")
    modules = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    found = [getattr(importlib.import_module(module.name), attribute) for module in modules]
    return sorted(found, key=lambda item: item.order)
