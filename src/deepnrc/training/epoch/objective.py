"""What training minimizes: the mean squared error, plain or with the penalties of the UFM."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError
from deepnrc.theory.conventions import mse_loss_factor
from deepnrc.training.config import TrainingConfig

__all__ = ["Objective", "make_objective", "mean_squared_error"]

Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(model, inputs, targets) → (loss, predictions N × t), both with gradients."""


def mean_squared_error(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over all N·t entries, as PyTorch's ``MSELoss``, and the predictions."""
    predictions = model(inputs)
    return nn.functional.mse_loss(predictions, targets), predictions


def make_objective(config: TrainingConfig, model: nn.Module, device: torch.device) -> Objective:
    """The loss of a configuration, under autocast and compiled if it says so.

    Raises:
        ArgumentError: There are UFM penalties, but the model has no `features` and `readout`.
    """
    objective: Objective = mean_squared_error
    if config.ufm_lambda_h is not None and config.ufm_lambda_w is not None:
        if not hasattr(model, "features") or not hasattr(model, "readout"):
            raise ArgumentError(
                "ufm_lambda_h needs a model with `features` and `readout`, such as those of "
                f"deepnrc.models; got a {type(model).__name__}"
            )
        objective = _ufm(config.ufm_lambda_h, config.ufm_lambda_w)
    if config.precision == "bf16":
        objective = _in_bf16(objective, device)
    if config.compile:
        objective = torch.compile(objective)
    return objective


def _ufm(lambda_h: float, lambda_w: float) -> Objective:
    """(1/2M)‖predictions − Y‖² + (λ_H/2M)‖H‖² + (λ_W/2)‖W‖² [A24, section 3], by `mse_loss_factor`.

    Divided by that factor its first term is the mean squared error, so that learning rates mean the
    same with and without penalties.
    """

    def objective(model: Any, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        features = model.features(inputs)
        predictions = model.readout(features)
        rows, t = targets.shape
        penalty = lambda_h / rows * features.float().square().sum()
        penalty = penalty + lambda_w * model.readout.weight.square().sum()  # twice the theory's
        loss = nn.functional.mse_loss(predictions, targets) + penalty / (2 * mse_loss_factor(t))
        return loss, predictions

    return objective


def _in_bf16(objective: Objective, device: torch.device) -> Objective:
    def autocast(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        # The loss itself is taken in float32: autocast has mse_loss on its list for that.
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return objective(model, inputs, targets)

    return autocast
