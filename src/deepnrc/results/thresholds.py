"""What counts as collapsed: the thresholds, checked and described."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from deepnrc.errors import ArgumentError
from deepnrc.support.keywords import check_keywords

__all__ = ["Thresholds"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What counts as collapsed.

    Attributes:
        noise_tol: NRC1 must be at most this.
        cka_tol: NRC2 must be at least this.
        alignment_tol: NRC3 must be at least this.
        error_factor: NRC4 must be at most this times the model's own MSE …
        error_floor: … plus this share of the targets' variance, for models that fit to rounding.
        energy: Share of the feature energy that defines the intrinsic dimension.
        agreement_tol: For a classification, whose scores have no error, NC4 stands in NRC4's
            place: the share of the rows must be at least this.
        classify: Whether it does.

    Raises:
        ArgumentError: One of them is out of its range.
    """

    noise_tol: float = 0.1
    cka_tol: float = 0.8
    alignment_tol: float = 0.8
    error_factor: float = 1.5
    error_floor: float = 1e-10
    energy: float = 0.99
    agreement_tol: float = 0.95
    classify: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            high = math.inf if name == "error_factor" else 1.0
            if not 0.0 <= value <= high or (name == "energy" and value == 0.0):
                least = "above 0" if name == "energy" else "at least 0"
                raise ArgumentError(f"{name} must be {least} and at most {high:g}; got {value!r}")

    @classmethod
    def of(cls, given: Mapping[str, float], *, classify: bool = False) -> "Thresholds":
        """The record of keyword arguments.

        Raises:
            ArgumentError: A name is not known or a value is out of its range.
        """
        names = [field.name for field in fields(cls) if field.name != "classify"]
        check_keywords(given, ["rule", *names], what="threshold")
        return cls(**given, classify=classify)

    def describe(self) -> str:
        """The thresholds in one line."""
        error = f"{self.error_factor:g} × the model's MSE + {self.error_floor:g} × the targets'"
        return (
            f"NRC1 ≤ {self.noise_tol:g}, NRC2 ≥ {self.cka_tol:g}, NRC3 ≥ {self.alignment_tol:g}, "
            + (f"NC4 ≥ {self.agreement_tol:g}" if self.classify else f"NRC4 ≤ {error} variance")
            + f"; intrinsic dimension at {self.energy:.0%} of the energy"
        )
