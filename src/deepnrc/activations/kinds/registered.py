"""Layers of users' own classes: where their weight is, and what enters it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from deepnrc.activations.kinds.part import Call, Entering, Part, Parts, first_tensor
from deepnrc.errors import ArgumentError, LayerError
from deepnrc.support.suggestions import did_you_mean
from deepnrc.support.undefined import Undefined

__all__ = ["LayerRegistration", "Read", "Rows", "register_layer", "registered"]

Read = str | Callable[[nn.Module], Tensor | None]
"""Where a weight or bias is: an attribute's name, ``"inner.weight"`` too, or a function."""

Rows = Callable[..., Any]
"""What enters a weight: a function of the module and what it is called with."""


@dataclass(frozen=True)
class LayerRegistration:
    """What `register_layer` knows of a class.

    `unregister` takes it back; as a context manager it does so at the end of the block.
    """

    cls: type[nn.Module]
    weight: Mapping[str, Read]
    rows: Mapping[str, Rows]
    bias: Mapping[str, Read]

    def unregister(self) -> None:
        """Forget the class; nothing happens where another registration has taken its place."""
        if _REGISTERED.get(self.cls) is self:
            del _REGISTERED[self.cls]

    def __enter__(self) -> "LayerRegistration":
        return self

    def __exit__(self, *error: object) -> None:
        self.unregister()


_REGISTERED: dict[type[nn.Module], LayerRegistration] = {}


def register_layer(
    cls: type[nn.Module],
    *,
    weight: Read | Mapping[str, Read],
    rows: Rows | Mapping[str, Rows] | None = None,
    bias: Read | Mapping[str, Read] | None = None,
) -> LayerRegistration:
    """Make a class of layers measurable: say where its weight is and what enters it.

    Needed where a layer is none of torch's own: one that calls ``F.linear`` with a parameter, a
    Kolmogorov–Arnold layer, a mixture of several inputs. It comes before what is built in, holds
    for subclasses too, and replaces an earlier registration of the class.

    Args:
        cls: The class.
        weight: The p × d matrix: the name of an attribute or a function of the module. A mapping
            gives several, each by the name that it has in results behind that of the module. None
            as a value: this module has no such weight.
        rows: What the matrix is multiplied with, (…, d): a function that is called as ``forward``
            is, with the module first. One that has a parameter ``output`` is called after
            ``forward``, with what that returned. For several weights a function for all of them or
            a mapping by name. None: the first tensor that the module is called with.
        bias: What is added to the product, p: in the same forms. Without it a last layer that has
            one is not recognized as such.

    Returns:
        The registration, with ``unregister()``; a context manager that calls it.

    Raises:
        ArgumentError: The class is no module class, or one of the others has another form.

    Example:
        >>> import torch, deepnrc
        >>> class Scaled(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.w = nn.Parameter(torch.randn(2, 3))
        ...     def forward(self, x, scale):
        ...         return torch.nn.functional.linear(x * scale, self.w)
        >>> with deepnrc.register_layer(Scaled, weight="w", rows=lambda layer, x, scale: x * scale):
        ...     x = torch.randn(20, 3)
        ...     deepnrc.measure(Scaled(), [((x, 2.0), x[:, :2])], progress=False).layers[0].width
        3
    """
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)) or cls is nn.Module:
        got = cls.__name__ if isinstance(cls, type) else f"a {type(cls).__name__}"
        hint = f": pass type(layer), {type(cls).__name__}" if isinstance(cls, nn.Module) else ""
        raise ArgumentError(f"cls must be a class of torch.nn.Module; got {got}{hint}")
    weights = _mapping("weight", weight, cls, ())
    names = tuple(weights)
    registration = LayerRegistration(
        cls,
        weights,
        {} if rows is None else _mapping("rows", rows, cls, names),
        {} if bias is None else _mapping("bias", bias, cls, names),
    )
    _REGISTERED[cls] = registration
    return registration


def registered(module: nn.Module) -> Parts | None:
    """What is registered for the nearest class of a module.

    Raises:
        LayerError: Its weight is no matrix, or cannot be read; the message lacks the layer's name.
    """
    known = next((_REGISTERED[kind] for kind in type(module).__mro__ if kind in _REGISTERED), None)
    if known is None:
        return None
    parts: list[Part] = []
    before: list[tuple[str, Rows | None]] = []
    after: list[tuple[str, Rows | None]] = []
    for suffix in known.weight:
        part = _part(known, module, suffix)
        if part is None:
            continue
        parts.append(part)
        rows = known.rows.get(suffix)
        late = rows is not None and "output" in inspect.signature(rows).parameters
        (after if late else before).append((suffix, rows))
    if not parts:
        return None
    inside = dict(module.named_modules())
    return Parts(
        tuple(parts),
        _entering(module, known.cls, before) if before else None,
        _entering(module, known.cls, after) if after else None,
        tuple(inside[part.suffix] for part in parts if part.suffix and part.suffix in inside),
    )


def _mapping(
    option: str, value: Any, cls: type[nn.Module], names: tuple[str, ...]
) -> Mapping[str, Any]:
    """By the name of the part; one value stands for all."""
    each = dict(value) if isinstance(value, Mapping) else dict.fromkeys(names or ("",), value)
    where = f"{option} of register_layer({cls.__name__}, …)"
    if not each:
        raise ArgumentError(f"{where} must name a weight; got an empty mapping")
    for name, one in each.items():
        if not isinstance(name, str) or "#" in name or (not name and isinstance(value, Mapping)):
            raise ArgumentError(f"{where} must have names without '#' as keys; got {name!r}")
        if names == ("",) and name:
            raise ArgumentError(
                f"{where} has the key {name!r}, but weight is no mapping: pass it as weight is"
            )
        if names and name not in names:
            raise ArgumentError(
                f"{where} has the key {name!r}, which weight has not: "
                f"{did_you_mean(name, names)}choose from {', '.join(map(repr, names))}"
            )
        if not callable(one) and (option == "rows" or not isinstance(one, str)):
            forms = "a function" if option == "rows" else "an attribute's name or a function"
            raise ArgumentError(
                f"{where} must be {forms} of the module, or a mapping of these; got "
                f"{type(one).__name__}: pass {option}=lambda layer{_MORE[option]}"
            )
    return MappingProxyType(each)


_MORE = {
    "weight": ": layer.w",
    "bias": ": layer.b",
    "rows": ", x: x",
}


def _part(known: LayerRegistration, module: nn.Module, suffix: str) -> Part | None:
    def matrix() -> Tensor:
        found = _read("weight", known, module, suffix)
        assert found is not None
        return found

    def bias() -> Tensor | None:
        return _read("bias", known, module, suffix) if suffix in known.bias else None

    weight = _read("weight", known, module, suffix)
    if weight is None:
        return None
    where = _where("weight", known, suffix)
    if weight.ndim != 2 or not weight.is_floating_point() or not weight.numel():
        raise LayerError(
            f"({type(module).__name__}): {where} must give a p × d matrix of real numbers; got "
            f"shape {tuple(weight.shape)} of {weight.dtype}: pass a function that returns the "
            "matrix, such as lambda layer: layer.w.flatten(1)"
        )
    added = bias()
    if added is not None and added.shape != weight.shape[:1]:
        raise LayerError(
            f"({type(module).__name__}): {_where('bias', known, suffix)} must give {len(weight)} "
            f"numbers, one for each row of the weight; got shape {tuple(added.shape)}"
        )
    remedy = (
        f"the matrix of register_layer({known.cls.__name__}, …) has {weight.shape[1]} columns; "
        "pass rows= that returns what it is multiplied with, or the matrix transposed"
    )
    return Part(suffix, "registered", weight.shape[1], matrix, bias=bias, remedy=remedy)


def _where(option: str, known: LayerRegistration, suffix: str) -> str:
    part = f"[{suffix!r}]" if suffix else ""
    return f"{option}{part} of register_layer({known.cls.__name__}, …)"


def _read(option: str, known: LayerRegistration, module: nn.Module, suffix: str) -> Tensor | None:
    """What an attribute's name or a function gives."""
    how = (known.weight if option == "weight" else known.bias)[suffix]
    where, kind = _where(option, known, suffix), type(module).__name__
    if isinstance(how, str):
        found: Any = module
        for name in how.split("."):
            if not hasattr(found, name):
                has = [*dict(found.named_parameters()), *dict(found.named_buffers())]
                listing = f": choose from {', '.join(has[:6])}" if has else ""
                raise LayerError(
                    f"({kind}): {where} is {how!r}, but a {type(found).__name__} has no attribute "
                    f"{name!r}: {did_you_mean(name, has)}".rstrip(": ")
                    + listing
                )
            found = getattr(found, name)
    else:
        try:
            found = how(module)
        except Exception as error:
            raise LayerError(
                f"({kind}): {where} failed ({type(error).__name__}: {error})"
            ) from error
    if found is not None and not isinstance(found, Tensor):
        raise LayerError(f"({kind}): {where} must give a tensor; got a {type(found).__name__}")
    return found


def _entering(
    module: nn.Module, cls: type[nn.Module], parts: list[tuple[str, Rows | None]]
) -> Callable[[Call], Iterable[tuple[str, Entering]]]:
    def entering(call: Call) -> Iterable[tuple[str, Entering]]:
        for suffix, rows in parts:
            if rows is None:
                ((_, first),) = first_tensor(call)
                yield suffix, first
            else:
                yield suffix, _rows(rows, cls, module, call)

    return entering


def _rows(rows: Rows, cls: type[nn.Module], module: nn.Module, call: Call) -> Entering:
    output = {} if call.output is None else {"output": call.output}
    try:
        made = rows(module, *call.args, **{**call.kwargs, **output})
    except Exception as error:
        raise LayerError(
            f"({type(module).__name__}): rows= of register_layer({cls.__name__}, …) failed "
            f"({type(error).__name__}: {error}): it is called with the module and what the module "
            "is called with"
        ) from error
    if not isinstance(made, Tensor | Undefined):
        raise LayerError(
            f"({type(module).__name__}): rows= of register_layer({cls.__name__}, …) must return a "
            f"tensor (…, d); got a {type(made).__name__}"
        )
    return made
