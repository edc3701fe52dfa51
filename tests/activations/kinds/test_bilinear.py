"""Bilinear layers: products of the features of both inputs."""

import pytest
import torch
from torch import nn

from activations.kinds.entering import entering
from deepnrc.errors import LayerError
from helpers import seeded


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_rows_are_products_and_the_weight_gives_the_output(bias, named):
    with seeded():
        module = nn.Bilinear(3, 4, 2, bias=bias).double()
    one, other = torch.randn(5, 7, 3).double(), torch.randn(5, 7, 4).double()
    given = {"input2": other, "input1": one} if named else {}
    seen, layers = entering(module, *(() if named else (one, other)), **given)
    (rows,) = seen[""]
    for i in range(3):
        for j in range(4):
            assert torch.equal(rows[..., 4 * i + j], one[..., i] * other[..., j])
    layer = layers[""]
    added = 0.0 if layer.bias is None else layer.bias
    torch.testing.assert_close(rows @ layer.weight_matrix().T + added, module(one, other).detach())
    assert (layer.kind, layer.feature_dim) == ("bilinear", 12)


def test_a_call_without_two_tensors_is_named():
    class Strange(nn.Bilinear):
        def forward(self, x):
            return super().forward(x, x)

    with pytest.raises(LayerError, match="layer '' must be called with two tensors: leave it out"):
        entering(Strange(2, 2, 1), torch.ones(3, 2))
