"""A run's last layer compared with the theory's optimum for its targets and penalties."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.errors import DataError
from deepnrc.metrics.view import Undefined
from deepnrc.passes.collect import collect
from deepnrc.passes.collection import LayerCollection
from deepnrc.theory import Convention, TheoryGap, theory_gap
from deepnrc.theory.text import short
from deepnrc.training.runs.saved_run import SavedRun

__all__ = ["RunTheory", "run_theory"]


@dataclass(frozen=True)
class RunTheory:
    """A run's last layer compared with the unconstrained feature model.

    Attributes:
        epoch: Of the weights.
        layer: Name of the last layer.
        lambda_h: λ_H; with ``implied`` the one at which features and weight balance.
        lambda_w: λ_W.
        implied: Why λ_H is not a setting of the run; empty if it is one.
        bias: Whether the last layer has a bias; without one the theory is of the targets' second
            moment instead of their covariance.
        gap: The comparison.
    """

    epoch: int
    layer: str
    lambda_h: float
    lambda_w: float
    implied: str
    bias: bool
    gap: TheoryGap

    def __str__(self) -> str:
        """Which layer, with which penalties, and the gap."""
        lines = [
            f"{self.layer} at epoch {self.epoch} beside the unconstrained feature model, "
            f"λ_H = {short(self.lambda_h)}, λ_W = {short(self.lambda_w)}, "
            f"c = {short(self.gap.optimum.c)}: {self.gap.optimum.regime.value}"
        ]
        if self.implied:
            lines.append(self.implied)
        if not self.bias:
            lines.append("the layer has no bias: the targets' second moment replaces Σ_Y")
        return "\n".join([*lines, "", str(self.gap)])


def run_theory(run: SavedRun) -> RunTheory:
    """Compare a run's last layer, on its training data, with theory.

    Explicit penalties (``training.ufm_lambda_h`` and ``ufm_lambda_w``) are the theory's own. With
    weight decay λ_W = t·decay/2, and no penalty acts on the features themselves: λ_H is then the
    one at which features and weight balance, λ_H‖H‖²/N = λ_W‖W‖², as they must at an optimum, so
    that only the shape of W and the split of the loss are tested, not the size of W.

    Raises:
        ArgumentError: The run's weight decay has no equivalent in the theory (AdamW).
        DataError: The run has neither weight decay nor penalties, or no layer outputs the targets.

    References:
        [A24] section 4; `deepnrc.theory.Convention` for the units.
    """
    collection = collect(run.model, run.loader("train"), progress=False)
    targets = collection.targets
    last = _last_layer(collection.layers, targets.target_dim)
    assert last.moments is not None
    if isinstance(last.weight, Undefined):
        raise DataError(
            f"the weight of the last layer '{last.name}' is not known: {last.weight.reason}"
        )
    mean = last.moments.feature_mean
    covariance = last.moments.feature_covariance
    energy = float(covariance.diagonal().sum() + mean.square().sum())
    bias = run.model.get_submodule(last.name).bias is not None
    lambda_h, lambda_w, implied = _penalties(run, last.weight, energy, targets.target_dim)
    if isinstance(collection.squared_error, Undefined):
        raise DataError(f"the run's error is not known: {collection.squared_error.reason}")
    offset = targets.target_mean
    moment = targets.target_covariance + (0 if bias else torch.outer(offset, offset))
    gap = theory_gap(
        last.weight,
        moment,
        mse=collection.squared_error / targets.count,
        feature_energy=energy,
        lambda_h=lambda_h,
        lambda_w=lambda_w,
    )
    return RunTheory(run.epoch, last.name, lambda_h, lambda_w, implied, bias, gap)


def _last_layer(layers: tuple[LayerCollection, ...], target_dim: int) -> LayerCollection:
    seen = [layer for layer in layers if layer.moments is not None]
    if not seen or seen[-1].outputs != target_dim:
        name = seen[-1].name if seen else "none"
        raise DataError(
            f"the last layer called is '{name}', whose outputs are not the {target_dim} targets: "
            "the theory needs a linear last layer"
        )
    return seen[-1]


def _penalties(
    run: SavedRun, weight: Tensor, energy: float, target_dim: int
) -> tuple[float, float, str]:
    """λ_H, λ_W, and why λ_H is only implied."""
    training = run.config.training
    if training.ufm_lambda_h is not None and training.ufm_lambda_w is not None:
        return training.ufm_lambda_h, training.ufm_lambda_w, ""
    if not training.weight_decay > 0.0:
        raise DataError(
            "the run has neither weight decay nor UFM penalties: without them every W that fits "
            "is an optimum, and there is nothing to compare"
        )
    convention = Convention(target_dim, optimizer=training.optimizer)
    lambda_w = convention.to_ufm(weight_decay=training.weight_decay).lambda_w
    size = float(weight.square().sum())
    if energy == 0.0 or size == 0.0:
        raise DataError("the last layer's features or weight are 0: no λ_H balances them")
    reason = "weight decay puts no penalty on the features: λ_H is what balances ‖H‖² and ‖W‖²"
    return lambda_w * size / energy, lambda_w, reason
