"""The data sets by name: built in, registered by the user, or offered by installed packages."""

from collections.abc import Callable
from typing import Any, overload

from torch import Tensor

from deepnrc.data.source import RawData, Source, numbered_names
from deepnrc.errors import ArgumentError
from deepnrc.support.registry import Registry

__all__ = ["dataset_names", "find_source", "register", "unregister"]

Make = Callable[..., RawData | tuple[Tensor, Tensor]]

_SETS = "deepnrc.data.sets"
_REGISTRY: Registry[Source] = Registry(
    "data set",
    "deepnrc.data_sets",
    Source,
    {
        "swimmer": f"{_SETS}.imitation.sources:SWIMMER",
        "reacher": f"{_SETS}.imitation.sources:REACHER",
        "hopper": f"{_SETS}.imitation.sources:HOPPER",
        "sgemm": f"{_SETS}.sgemm:SGEMM",
        "gemm": f"{_SETS}.gemm:GEMM",
        "carla2d": f"{_SETS}.driving.sources:CARLA2D",
        "carla1d": f"{_SETS}.driving.sources:CARLA1D",
        "carracing": f"{_SETS}.driving.sources:CARRACING",
        "utkface": f"{_SETS}.faces:UTKFACE",
        "synthetic": f"{_SETS}.synthetic:SYNTHETIC",
        "tabular": f"{_SETS}.tabular:TABULAR",
    },
)


def dataset_names() -> tuple[str, ...]:
    """Every name that `deepnrc.data.load` takes."""
    return _REGISTRY.names()


def find_source(name: str) -> Source:
    """What is known of a data set.

    Raises:
        ArgumentError: There is no such data set; the message names the nearest. Or an installed
            package offers it and cannot be used.
    """
    source = _REGISTRY.find(name)
    if source.name != name:
        raise ArgumentError(
            f"the entry point '{name}' of {_REGISTRY.group} must offer a data set of this name; "
            f"got '{source.name}': rename one of them"
        )
    return source


@overload
def register(source: Source, /) -> Source: ...
@overload
def register(*, name: str, summary: str, **fields: Any) -> Callable[[Make], Make]: ...
def register(source: Source | None = None, /, **fields: Any) -> Source | Callable[[Make], Make]:
    """Add a data set for this process: a `Source`, or a function that makes the rows.

    As a decorator it takes the fields of `Source`. The function takes ``samples``, ``seed`` and the
    options, and returns inputs n × d and targets n × t in their own units, or a `RawData`.

    A package adds data sets for everyone who installs it by entry points of the group
    ``deepnrc.data_sets``: ``name = "package.module:source"``.

    Raises:
        ArgumentError: The name is taken, or a field is not valid.

    Example:
        >>> import torch, deepnrc
        >>> @register(name="sine", summary="A noisy sine", options={"noise": "its deviation, 0.1"})
        ... def sine(samples, seed, noise=0.1):
        ...     generator = torch.Generator().manual_seed(seed)
        ...     x = 6 * torch.rand(samples, 1, generator=generator)
        ...     return x, x.sin() + noise * torch.randn(samples, 1, generator=generator)
        >>> deepnrc.data.load("sine", samples=50, noise=0.2).test.targets.shape
        torch.Size([10, 1])
        >>> unregister("sine")
    """
    if source is not None:
        return _REGISTRY.register(source.name, source)

    def add(make: Make) -> Make:
        def raw(**arguments: Any) -> RawData:
            rows = make(**arguments)
            return rows if isinstance(rows, RawData) else _named(added, rows, arguments)

        added = Source(**fields, make=raw)
        _REGISTRY.register(added.name, added)
        return make

    return add


def unregister(name: str) -> None:
    """Remove a data set that `register` added, in order to register it anew."""
    _REGISTRY.unregister(name)


def _named(source: Source, rows: tuple[Tensor, Tensor], arguments: dict[str, Any]) -> RawData:
    """Inputs and targets with names for their columns and a line about their origin."""
    inputs, targets = rows
    settings = ", ".join(f"{name} {value}" for name, value in arguments.items())
    return RawData(
        inputs,
        targets,
        numbered_names("x", inputs.shape[1]),
        source.targets or numbered_names("y", targets.shape[1]),
        {"data": source.name, "made_from": f"{source.name}: {source.summary} ({settings})"},
    )
