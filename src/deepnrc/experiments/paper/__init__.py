"""The papers' figures, tables and claims, reproduced from groups of runs that they share.

A figure is a file under ``figures/``, a claim a file under ``claims/``, a group of runs a file
under ``groups/``. Users add their own by a folder (``deepnrc reproduce NAME --include FOLDER``), by
the functions here, or by the entry points ``deepnrc.figures`` and ``deepnrc.claims`` of a package.
"""

from deepnrc.experiments.paper.catalog import register_claim, register_figure
from deepnrc.experiments.paper.claim import Claim, Outcome
from deepnrc.experiments.paper.figure import Figure, Product, for_each
from deepnrc.experiments.paper.group import Group, register_group
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns

__all__ = [
    "Claim",
    "Figure",
    "FinishedRun",
    "Group",
    "GroupRuns",
    "Outcome",
    "Product",
    "for_each",
    "register_claim",
    "register_figure",
    "register_group",
]
