"""All families of cases."""

import importlib

from architectures.case import CASES

_FAMILIES = (
    "plain",
    "vision",
    "sequences",
    "parts",
    "pretrained",
    "weights",
    "science",
    "borders",
    "refusals",
)


def all_cases():
    """Every case by name, in the order of the table."""
    for family in _FAMILIES:
        importlib.import_module(f"architectures.{family}")
    return CASES
