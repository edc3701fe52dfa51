"""Which weight layers ``layers=`` selects: by name, glob, type or predicate."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping

from torch import nn

from deepnrc.errors import LayerError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["LayerSelector", "selected_names"]

LayerSelector = (
    str | type[nn.Module] | Callable[[str, nn.Module], bool] | Iterable["LayerSelector"] | None
)
"""What ``layers=`` takes: a name or glob, a module type, a predicate of (name, module), several."""


def selected_names(
    select: LayerSelector,
    model: nn.Module,
    layers: Mapping[str, tuple[nn.Module, list[str]]],
    *,
    option: str = "layers",
) -> set[str]:
    """Names of the layers that are selected.

    Args:
        select: A string is a name or a glob (``"encoder.*"``), a type is matched with isinstance,
            a predicate gets (name, module), and a sequence selects what any of its members does.
        model: Whose layers they are.
        layers: Module and all names of each weight layer, by its first name.
        option: Of which the selector is the value, for messages.

    Raises:
        LayerError: A selector matches no weight layer, or is of the wrong kind.
    """
    selectors = _flattened(select, option)
    if not selectors:
        raise LayerError(f"{option} must name a layer; got an empty list: pass None instead")
    chosen: set[str] = set()
    for selector in selectors:
        matching = {
            name for name, (module, names) in layers.items() if _matches(selector, module, names)
        }
        if not matching:
            raise LayerError(_no_match(selector, model, list(layers), option))
        chosen |= matching
    return chosen


def _flattened(
    select: LayerSelector, option: str
) -> list[str | type[nn.Module] | Callable[..., bool]]:
    if isinstance(select, nn.Module):
        raise LayerError(
            f"{option} must be names, not modules; got a {type(select).__name__}: pass its name as "
            "model.named_modules() lists it"
        )
    if isinstance(select, str | type) or callable(select):
        return [select]
    if not isinstance(select, Iterable):
        raise LayerError(
            f"{option} must be a name, a glob, a module type, a predicate or several of these; "
            f"got {type(select).__name__}"
        )
    return [one for part in select for one in _flattened(part, option)]


def _matches(selector: object, module: nn.Module, names: list[str]) -> bool:
    if isinstance(selector, str):
        return any(fnmatch.fnmatchcase(name, selector) for name in names)
    if isinstance(selector, type):
        return isinstance(module, selector)
    assert callable(selector)
    return any(bool(selector(name, module)) for name in names)


def _no_match(selector: object, model: nn.Module, names: list[str], option: str) -> str:
    modules = dict(model.named_modules(remove_duplicate=False))
    listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    if isinstance(selector, type):
        problem = f"{option}={selector.__name__} matches no weight layer: "
    elif not isinstance(selector, str):
        problem = f"the predicate passed as {option} matches no weight layer: "
    elif (module := modules.get(selector)) is not None:
        problem = (
            f"layer '{selector}' is a {type(module).__name__}, which holds no weight of a known "
            "kind itself (others are told with deepnrc.register_layer): "
        )
    else:
        hint = did_you_mean(selector, names)
        problem = f"{option}={selector!r} matches no weight layer: {hint}"
    return f"{problem}choose from {listing}"
