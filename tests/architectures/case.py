"""A case: a model, how it is measured, and what is right for each of its layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CASES", "Case", "Known", "Refused", "Right", "case"]


@dataclass(frozen=True)
class Known:
    """What is known of a layer.

    Attributes:
        rows: What enters it, N × d; None: it gives none.
        matrix: What it applies, p × d; None: it applies no matrix, so that NRC3 is undefined.
        owners: Number of the sample of each row; None: row i is of sample i.
        targets: Of each row; None: those of its sample.
        role: ``"path"``, ``"side"``, ``"uncalled"`` or ``"unpaired"``.
    """

    rows: Any = None
    matrix: Any = None
    owners: Any = None
    targets: Any = None
    role: str = "path"


@dataclass(frozen=True)
class Right:
    """A measurement that must be right.

    Attributes:
        call: Measures.
        layers: By name; those on the path in the order of the table.
        targets: N × t, as summed by the package.
        predictions: Of the model, N × t; None: they are not those of the targets.
        rtol: Of each value; larger where the model computes in single or half precision.
        says: Texts that the printed measurement and diagnosis hold.
    """

    call: Callable[[], Any]
    layers: Mapping[str, Known]
    targets: Any
    predictions: Any = None
    rtol: float = 1e-8
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A call that must be refused, with texts that its message holds."""

    call: Callable[[], Any]
    error: type[Exception]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A line of the table.

    Attributes:
        name: Of the architecture or situation.
        family: Heading of its part of the table.
        about: What it stands for.
        build: Makes it.
        slow: Whether its test runs in the slow tier.
        waits_for: What it waits for, while that is not built; None.
        needs: A library that must be installed.
    """

    name: str
    family: str
    about: str
    build: Callable[[], Right | Refused]
    slow: bool = False
    waits_for: str | None = None
    needs: str | None = None


CASES: dict[str, Case] = {}


def case(name: str, family: str, about: str, **facts: Any) -> Callable[..., Any]:
    """Decorator of a function that makes a case."""

    def register(build: Callable[[], Right | Refused]) -> Callable[[], Right | Refused]:
        assert name not in CASES, name
        CASES[name] = Case(name, family, about, build, **facts)
        return build

    return register
