"""Multi-head attention: the projections of query, key and value, and that of what they give.

Torch's function multiplies with all of them itself. What enters the output projection is computed
once more by the same function, with the identity in its place, and compared with the output.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepnrc.activations.kinds.agreement import agree
from deepnrc.activations.kinds.part import Call, Entering, Part, Parts, is_matrix
from deepnrc.support.undefined import Undefined

__all__ = ["attention"]

_SIGNATURE = inspect.signature(nn.MultiheadAttention.forward)


def attention(module: nn.Module) -> Parts | None:
    """``nn.MultiheadAttention``.

    Its parts are ``in_proj_q``, ``in_proj_k`` and ``in_proj_v``, thirds of its packed weight
    (``q_proj_weight``, … where their widths differ), and ``out_proj``.
    """
    if not isinstance(module, nn.MultiheadAttention):
        return None
    names = _names(module)
    out = module.out_proj
    readable = [getattr(out, "weight", None), *(_read(module, n)() for n in range(3))]
    if not all(map(is_matrix, readable)):
        return None
    parts = [
        Part(
            name,
            "attention_input",
            _read(module, number)().shape[1],
            _read(module, number),
            bias=functools.partial(_bias, module, number),
        )
        for number, name in enumerate(names)
    ]
    parts.append(
        Part(
            "out_proj",
            "attention_output",
            out.weight.shape[1],
            lambda: out.weight,
            bias=lambda: out.bias,
            level=1,
        )
    )
    return Parts(tuple(parts), after=functools.partial(_entering, module), claimed=(out,))


def _names(module: nn.MultiheadAttention) -> tuple[str, str, str]:
    if module._qkv_same_embed_dim:
        return ("in_proj_q", "in_proj_k", "in_proj_v")
    return ("q_proj_weight", "k_proj_weight", "v_proj_weight")


def _read(module: nn.MultiheadAttention, number: int) -> Callable[[], Any]:
    if not module._qkv_same_embed_dim:
        return functools.partial(getattr, module, _names(module)[number])
    size = module.embed_dim

    def third() -> Any:
        weight = getattr(module, "in_proj_weight", None)
        return None if weight is None else weight[number * size : (number + 1) * size]

    return third


def _bias(module: nn.MultiheadAttention, number: int) -> Tensor | None:
    bias, size = module.in_proj_bias, module.embed_dim
    return None if bias is None else bias[number * size : (number + 1) * size]


def _entering(module: nn.MultiheadAttention, call: Call) -> Iterator[tuple[str, Entering]]:
    names = (*_names(module), "out_proj")
    found: dict[str, Entering] = {}
    try:
        bound = _SIGNATURE.bind(module, *call.args, **call.kwargs)
        bound.apply_defaults()
        given = bound.arguments
        heads = _heads(module, given)
        if agree(
            functional.linear(heads, module.out_proj.weight, module.out_proj.bias), call.output[0]
        ):
            values = (given["query"], given["key"], given["value"], heads)
            found = dict(zip(names, values, strict=True))
        reason = "its output is not that of its weights, so that what passes inside is not known"
    except Exception as error:  # a subclass may take and return anything
        said = str(error).splitlines()[0] if str(error) else ""
        reason = f"its attention cannot be followed ({type(error).__name__}: {said[:80]})"
    for name in names:
        yield name, found.get(name, Undefined(reason))


def _heads(module: nn.MultiheadAttention, given: dict[str, Any]) -> Tensor:
    """What enters the output projection, laid out as the output."""
    query, key, value = given["query"], given["key"], given["value"]
    turned = module.batch_first and query.ndim == 3
    if turned:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    separate = {}
    if not module._qkv_same_embed_dim:
        separate = {name: getattr(module, name) for name in _names(module)}
    out = module.out_proj.weight
    heads, _ = functional.multi_head_attention_forward(
        query,
        key,
        value,
        module.embed_dim,
        module.num_heads,
        module.in_proj_weight,
        module.in_proj_bias,
        module.bias_k,
        module.bias_v,
        module.add_zero_attn,
        0.0,
        torch.eye(out.shape[1], dtype=out.dtype, device=out.device),
        None,
        training=False,
        key_padding_mask=given["key_padding_mask"],
        need_weights=given["need_weights"],
        attn_mask=given["attn_mask"],
        use_separate_proj_weight=bool(separate),
        average_attn_weights=given["average_attn_weights"],
        is_causal=given["is_causal"],
        **separate,
    )
    return heads.transpose(0, 1) if turned else heads
