"""The gradients of a ReLU network under the mean squared error, without autograd.

A step of a small network is mostly overhead: recording operations and allocating their results.
Here the products of the forward and the backward pass are written to tensors that are allocated
once per epoch.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from deepnrc.models.mlp import MLP

__all__ = ["MLPGradients", "has_mlp_gradients"]

_relu_backward = torch.ops.aten.threshold_backward.grad_input  # from the ReLU's result


def has_mlp_gradients(model: nn.Module, targets: Tensor) -> TypeGuard[MLP]:
    """Whether `MLPGradients` does all that autograd would do.

    True of a ReLU `MLP` on the CPU without normalization and without hooks, whose parameters are
    all trained and none shared, for targets N × t like its predictions, outside autocast.
    """
    if type(model) is not MLP or model.activation != "relu":
        return False
    layers, parameters = list(model.children()), list(model.parameters())
    return (
        all(type(layer) is nn.Linear for layer in layers)
        and len(parameters) == model.depth * (1 if model.readout.bias is None else 2)
        and all(p.requires_grad and p.device.type == "cpu" for p in parameters)
        and all(p.dtype == targets.dtype for p in parameters)
        and model.readout.out_features == targets.shape[1]
        and not any(_has_hooks(part) for part in (model, *layers, *parameters))
        and not torch.is_autocast_enabled("cpu")
    )


def _has_hooks(part: object) -> bool:
    """Whether a module's passes or a parameter's gradient call hooks."""
    kinds = ("forward", "forward_pre", "backward", "backward_pre", "post_accumulate_grad")
    return any(getattr(part, f"_{kind}_hooks", None) for kind in kinds)


class MLPGradients:
    """Loss, predictions and gradients of one batch after another.

    With features H₀ = inputs, H_l = max(H_{l−1} W_lᵀ + b_l, 0) and predictions P = H_{L−1} W_Lᵀ +
    b_L, the gradient of the mean of (P − Y)² over all B·t entries is D_L = 2 (P − Y) / (B·t) for
    the predictions, D_lᵀ H_{l−1} for W_l, the sum of D_l's rows for b_l, and D_{l−1} = D_l W_l
    where H_{l−1} > 0, otherwise 0.

    Args:
        model: As `has_mlp_gradients` requires; its parameters' gradients stay the same tensors.
    """

    def __init__(self, model: MLP) -> None:
        layers = [layer for layer in model.children() if isinstance(layer, nn.Linear)]
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        self._weights = [layer.weight.detach() for layer in layers]
        self._transposed = [weight.t() for weight in self._weights]
        self._biases = [None if layer.bias is None else layer.bias.detach() for layer in layers]
        self._weight_gradients = [layer.weight.grad for layer in layers]
        self._bias_gradients = [None if layer.bias is None else layer.bias.grad for layer in layers]
        self._hidden: list[Tensor] = []
        self._backward: list[Tensor] = []

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the predictions B × t; leaves the gradients in the parameters."""
        if not self._hidden or len(self._hidden[0]) != len(inputs):
            self._allocate(len(inputs))
        features = inputs
        for number, out in enumerate(self._hidden):
            self._product(number, features, out)
            features = torch.relu_(out)
        predictions = torch.empty_like(targets)
        self._product(-1, features, predictions)
        loss = nn.functional.mse_loss(predictions, targets)
        gradient = torch.sub(predictions, targets).mul_(2.0 / targets.numel())
        for number in range(len(self._weights) - 1, -1, -1):
            below = self._hidden[number - 1] if number else inputs
            torch.mm(gradient.t(), below, out=self._weight_gradients[number])
            bias_gradient = self._bias_gradients[number]
            if bias_gradient is not None:
                torch.sum(gradient, 0, out=bias_gradient)
            if number:
                # Two alternate: a product cannot overwrite what it reads.
                out = self._backward[number % 2]
                torch.mm(gradient, self._weights[number], out=out)
                gradient = _relu_backward(out, below, 0, grad_input=out)
        return loss, predictions

    def _product(self, number: int, features: Tensor, out: Tensor) -> None:
        bias = self._biases[number]
        if bias is None:
            torch.mm(features, self._transposed[number], out=out)
        else:
            torch.addmm(bias, features, self._transposed[number], out=out)

    def _allocate(self, rows: int) -> None:
        self._hidden = [w.new_empty(rows, len(w)) for w in self._weights[:-1]]
        self._backward = [torch.empty_like(first) for first in self._hidden[:1] * 2]
