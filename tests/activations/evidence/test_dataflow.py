"""What a tensor depends on, also where autograd would not see it."""

import pytest
import torch
from torch import nn

from deepnrc.activations.evidence.dataflow import Dataflow


def followed(function, count=3, width=4):
    """Layers that the result of function(linear layers, input) depends on, and their depths."""
    layers = [nn.Linear(width, width) for _ in range(count)]
    flow, depths = Dataflow(), {}
    for number, layer in enumerate(layers):
        layer.register_forward_hook(
            lambda module, given, returned, number=number: depths.__setitem__(
                number, flow.passed(number, given, returned)
            )
        )
    with flow:
        result = function(layers, torch.ones(2, width))
    bits = flow.of(result).layers
    return [number for number in range(count) if bits >> number & 1], depths


def test_a_chain():
    assert followed(lambda f, x: f[2](f[1](f[0](x).relu()))) == ([0, 1, 2], {0: 0, 1: 1, 2: 2})


def test_a_branch_that_is_not_returned():
    def heads(f, x):
        h = f[0](x)
        f[1](h)
        return f[2](h)

    assert followed(heads) == ([0, 2], {0: 0, 1: 1, 2: 1})


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_what_gradients_would_not_show(context):
    def frozen(f, x):
        with context():
            h = f[0](x)
        return f[1](h.clone()).detach()

    assert followed(frozen)[0] == [0, 1]


def test_writing_into_a_buffer():
    def routed(f, x):
        out = torch.zeros(2, 4)
        out[0] = f[0](x)[0]
        out[1:].copy_(f[1](x)[1:])
        f[2](x)
        return out + 1

    assert followed(routed)[0] == [0, 1]


def test_outputs_given_as_an_argument():
    def into(f, x):
        out = torch.empty(2, 4)
        with torch.no_grad():
            torch.add(f[0](x), f[2](x), out=out)
        return out

    assert followed(into)[0] == [0, 2]


def test_depth_is_that_of_the_longest_way():
    def skip(f, x):
        return f[2](f[1](f[0](x)) + f[0](x)) + x

    assert followed(skip) == ([0, 1, 2], {0: 0, 1: 1, 2: 2})


def test_a_nest_of_results():
    result = followed(lambda f, x: {"a": [f[0](x)], "b": (f[1](x), "text")})
    assert result[0] == [0, 1]


def test_freed_storages_leave_nothing_behind():
    def reused(f, x):
        for _ in range(50):
            f[0](x)
        return torch.cat([torch.ones(2, 4) for _ in range(50)])

    assert followed(reused)[0] == []


def test_writing_without_returning():
    def added(f, x):
        out = torch.zeros(2, 4)
        with torch.no_grad():
            torch._foreach_add_([out], [f[1](x)])
        return out

    assert followed(added)[0] == [1]


def test_parts_of_a_buffer_are_told_apart():
    def beside(f, x):
        out = torch.empty(2, 8)
        out[:, :4] = f[0](x)
        out[:, 4:] = f[1](x)
        f[2](out[:, :4])
        return out[:, 4:].relu()

    assert followed(beside) == ([1], {0: 0, 1: 0, 2: 1})


def test_what_is_overwritten_is_forgotten():
    def twice(f, x):
        out = torch.empty(2, 8)
        out[:, :4].copy_(f[0](x))
        out[:, :4].copy_(f[1](x))
        return out

    def whole(f, x):
        out = f[0](x).clone()
        out[:, :2] += f[2](x)[:, :2]
        out.copy_(f[1](x))
        return out

    def added(f, x):
        out = f[0](x).clone()
        out.add_(f[1](x))
        return out

    assert followed(twice)[0] == [1]
    assert followed(whole)[0] == [1]
    assert followed(added)[0] == [0, 1]


def test_many_parts_are_one():
    def steps(f, x):
        out = torch.empty(100, 2, 4)
        for t in range(100):
            out[t] = f[t % 2](x)
        return out[0]

    assert followed(steps)[0] == [0, 1]


def test_tensors_made_of_numbers_depend_on_nothing():
    """They come without an operation that makes them, in storage that was freed before."""

    def reused(f, x):
        found = []
        for _ in range(200):
            f[0](x)
            found.append(torch.tensor([[1.0] * 4] * 2))
        return torch.cat(found)

    assert followed(reused)[0] == []
