"""From the loss and penalties of a training script to those of the theory, and back.

The only place that knows how they are related.
"""

import math
from dataclasses import dataclass

from deepnrc.errors import ArgumentError
from deepnrc.theory.arguments import at_least, penalty
from deepnrc.theory.text import long, short

__all__ = ["Convention", "UFMPenalties", "mse_loss_factor"]

# Their weight_decay is added to the gradient, so that they stop where the penalized loss is
# stationary, whatever they do to the gradient afterwards.
_COUPLED = ("sgd", "adam", "nadam", "radam", "rmsprop", "adagrad", "adadelta", "adamax", "asgd")
_DECOUPLED = ("adamw", "sgdw", "lion", "lamb", "muon", "adafactor")
_LOSSES = ("mse", "half_mse")
_REDUCTIONS = ("mean", "sample_mean", "sum")


@dataclass(frozen=True)
class UFMPenalties:
    """The penalties of (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖².

    Attributes:
        lambda_h: λ_H; NaN where the script does not penalize the features.
        lambda_w: λ_W.
    """

    lambda_h: float
    lambda_w: float

    @property
    def c(self) -> float:
        """λ_H λ_W, which is compared with the eigenvalues of Σ_Y. NaN without λ_H."""
        return self.lambda_h * self.lambda_w

    def __str__(self) -> str:
        """λ_W, λ_H and c, one a line."""
        lines = [f"λ_W = {long(self.lambda_w)}"]
        if math.isnan(self.lambda_h):
            return "\n".join([*lines, "λ_H = unknown: no penalty on the features was given"])
        return "\n".join([*lines, f"λ_H = {long(self.lambda_h)}", f"c   = {long(self.c)}"])


def mse_loss_factor(target_dim: int) -> float:
    """t/2: PyTorch's ``MSELoss()``, a mean over N·t entries, times this is ‖·‖²/(2N)."""
    return target_dim / 2


@dataclass(frozen=True)
class Convention:
    """How a training script writes its loss and its weight decay.

    ===========  =====================================================  ==================
    loss         reduction                                              objective per step
    ===========  =====================================================  ==================
    "mse"        "mean" (PyTorch's ``MSELoss()``)                       ‖·‖²/(Bt)
    "mse"        "sample_mean" (summed over targets, mean over samples) ‖·‖²/B
    "mse"        "sum" (``MSELoss(reduction="sum")``)                   ‖·‖²
    "half_mse"   any of them                                            half of that
    ===========  =====================================================  ==================

    B is the batch size. An optimizer with ``weight_decay=wd`` adds wd·W to the gradient, which is
    the penalty (wd/2)‖W‖².

    Attributes:
        target_dim: t.
        loss: "mse" or "half_mse".
        reduction: "mean", "sample_mean" or "sum".
        optimizer: Name as in ``torch.optim``, upper or lower case. Those with decoupled decay
            (AdamW) are refused: they do not stop at a stationary point of any penalized loss.
        batch_size: B; needed for "sum" only.

    Raises:
        ArgumentError: A value is not one of these, or the optimizer's decay has no equivalent.

    Example:
        >>> found = Convention(target_dim=2).to_ufm(weight_decay=5e-3)
        >>> found.lambda_w
        0.005

    References:
        [A24] section 4 for the objective; PyTorch's documentation of ``MSELoss`` and ``SGD``.
    """

    target_dim: int
    loss: str = "mse"
    reduction: str = "mean"
    optimizer: str = "sgd"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        at_least(1, target_dim=self.target_dim)
        _one_of(self.loss, _LOSSES, "loss", "the theory is of the squared error")
        _one_of(self.reduction, _REDUCTIONS, "reduction", "see the table of `Convention`")
        name = self.optimizer.lower()
        if name in _DECOUPLED:
            raise ArgumentError(
                "optimizer must be one that adds its weight decay to the gradient; got "
                f"{self.optimizer!r}, whose decoupled decay minimizes no penalized loss and has no "
                "equivalent λ: train with SGD or Adam"
            )
        _one_of(name, _COUPLED, "optimizer", "what others do with their decay is not known")
        if self.reduction == "sum":  # the sum grows with the batch, and the decay does not
            at_least(1, batch_size=self.batch_size)

    @property
    def factor(self) -> float:
        """The theory's objective divided by the script's."""
        factors = {
            "mean": mse_loss_factor(self.target_dim),
            "sample_mean": 0.5,
            "sum": 0.5 / (self.batch_size or 1),
        }
        return factors[self.reduction] * (1 if self.loss == "mse" else 2)

    def __str__(self) -> str:
        """The convention and its factor in a line."""
        return (
            f"{self.loss} loss, reduction {self.reduction}, {self.optimizer}, "
            f"t = {self.target_dim}: objective × {short(self.factor)} is the theory's"
        )

    def to_ufm(
        self,
        *,
        weight_decay: float | None = None,
        weight_penalty: float | None = None,
        feature_penalty: float | None = None,
        feature_decay: float | None = None,
        samples: int | None = None,
    ) -> UFMPenalties:
        """The theory's penalties.

        Args:
            weight_decay: The optimizer's number for W.
            weight_penalty: In its place, λ of a term λ‖W‖² in the script's loss.
            feature_penalty: λ of a term λ·(mean of ‖h‖² over the batch) in the script's loss.
            feature_decay: In its place, the optimizer's number for H as N × d parameters.
            samples: N; needed for ``feature_decay``, which acts on the sum over all samples.

        Raises:
            ArgumentError: A number is negative; both or neither of the first two are given, or both
                of the next two; or N is missing.
        """
        if (weight_decay is None) == (weight_penalty is None):
            raise ArgumentError(
                "give weight_decay (the optimizer's) or weight_penalty (a term in the loss), one "
                f"of the two; got {weight_decay} and {weight_penalty}"
            )
        if feature_penalty is not None and feature_decay is not None:
            raise ArgumentError(
                "give feature_penalty (a term in the loss) or feature_decay (H as parameters), "
                f"not both; got {feature_penalty} and {feature_decay}"
            )
        lambda_h = math.nan
        if feature_penalty is not None:
            lambda_h = 2 * self.factor * penalty(feature_penalty, "feature_penalty")
        elif feature_decay is not None:
            at_least(1, samples=samples)
            lambda_h = self.factor * penalty(feature_decay, "feature_decay") * (samples or 0)
        if weight_decay is not None:
            lambda_w = self.factor * penalty(weight_decay, "weight_decay")
        else:
            lambda_w = 2 * self.factor * penalty(weight_penalty or 0.0, "weight_penalty")
        return UFMPenalties(lambda_h, lambda_w)

    def weight_decay(self, penalties: UFMPenalties) -> float:
        """The optimizer's weight decay that gives λ_W."""
        return penalty(penalties.lambda_w, "lambda_w") / self.factor

    def weight_penalty(self, penalties: UFMPenalties) -> float:
        """The λ of a term λ‖W‖² in the script's loss that gives λ_W."""
        return penalty(penalties.lambda_w, "lambda_w") / (2 * self.factor)

    def feature_penalty(self, penalties: UFMPenalties) -> float:
        """The λ of a term λ·(mean of ‖h‖² over the batch) in the script's loss that gives λ_H."""
        return penalty(penalties.lambda_h, "lambda_h") / (2 * self.factor)

    def feature_decay(self, penalties: UFMPenalties, *, samples: int) -> float:
        """The optimizer's weight decay on H, N × d parameters, that gives λ_H."""
        at_least(1, samples=samples)
        return penalty(penalties.lambda_h, "lambda_h") / (self.factor * samples)


def _one_of(value: str, known: tuple[str, ...], name: str, why: str) -> None:
    if value not in known:
        raise ArgumentError(f"{name} must be one of {', '.join(known)}; got {value!r}: {why}")
