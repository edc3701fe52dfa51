"""From what a training script says to the penalties of the theory and back: the only place."""

import math
from dataclasses import dataclass

from deepnrc.errors import ArgumentError

__all__ = ["Convention", "UFMPenalties"]

# Their weight_decay is added to the gradient, so that they stop where the penalised loss is
# stationary, whatever they do to the gradient afterwards.
_COUPLED = ("sgd", "adam", "nadam", "radam", "rmsprop", "adagrad", "adadelta", "adamax", "asgd")
_DECOUPLED = ("adamw", "sgdw", "lion", "lamb", "muon", "adafactor")
_LOSSES = ("mse", "half_mse")
_REDUCTIONS = ("mean", "sample_mean", "sum")


@dataclass(frozen=True)
class UFMPenalties:
    """The penalties of (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖².

    Attributes:
        lambda_h: λ_H; NaN where the script does not penalise the features.
        lambda_w: λ_W.
    """

    lambda_h: float
    lambda_w: float

    @property
    def c(self) -> float:
        """λ_H λ_W; against the eigenvalues of Σ_Y it decides everything. NaN without λ_H."""
        return self.lambda_h * self.lambda_w


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

    B is the batch size. An optimiser with ``weight_decay=wd`` adds wd·W to the gradient, which is
    the penalty (wd/2)‖W‖².

    Attributes:
        target_dim: t.
        loss: "mse" or "half_mse".
        reduction: "mean", "sample_mean" or "sum".
        optimizer: Name as in ``torch.optim``, in any case. Those with decoupled decay (AdamW)
            are refused: they do not stop at a stationary point of any penalised loss.
        batch_size: B; needed for "sum" only.

    Raises:
        ArgumentError: A value is not one of these; the optimiser's decay has no equivalent.

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
        if self.target_dim < 1:
            raise ArgumentError(f"target_dim must be 1 or more, got {self.target_dim}")
        _one_of(self.loss, _LOSSES, "loss", "the theory is of the squared error")
        _one_of(self.reduction, _REDUCTIONS, "reduction", "the docstring says what each divides by")
        name = self.optimizer.lower()
        if name in _DECOUPLED:
            raise ArgumentError(
                f"optimizer {self.optimizer!r} decays weights apart from the gradient, which "
                "minimises no penalised loss: it has no equivalent λ. Train with SGD or Adam's "
                "weight_decay instead"
            )
        _one_of(name, _COUPLED, "optimizer", "of others it is not known what their decay does")
        if self.reduction == "sum" and (self.batch_size is None or self.batch_size < 1):
            raise ArgumentError(
                "batch_size must be given (1 or more) with reduction='sum': the sum grows with "
                f"it, and the decay does not; got {self.batch_size}"
            )

    @property
    def factor(self) -> float:
        """By how much the script's objective is multiplied to become the theory's."""
        entries = {"mean": self.target_dim, "sample_mean": 1, "sum": 1 / (self.batch_size or 1)}
        return entries[self.reduction] / (2 if self.loss == "mse" else 1)

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
            weight_decay: The optimiser's number for W, or …
            weight_penalty: … λ of a term λ‖W‖² in the script's loss.
            feature_penalty: λ of a term λ·(mean of ‖h‖² over the batch) in the script's loss; or …
            feature_decay: … the optimiser's number where H itself is a parameter, N × d.
            samples: N; needed for ``feature_decay``, which acts on the sum over all samples.

        Raises:
            ArgumentError: A number is negative, both or neither of the first two are given, or
                both of the next two; N is missing.
        """
        if (weight_decay is None) == (weight_penalty is None):
            raise ArgumentError(
                "give weight_decay (the optimiser's) or weight_penalty (a term in the loss), one "
                f"of the two; got {weight_decay} and {weight_penalty}"
            )
        if feature_penalty is not None and feature_decay is not None:
            raise ArgumentError(
                "give feature_penalty (a term in the loss) or feature_decay (H as parameters), "
                f"not both; got {feature_penalty} and {feature_decay}"
            )
        lambda_h = math.nan
        if feature_penalty is not None:
            lambda_h = 2 * self.factor * _amount(feature_penalty, "feature_penalty")
        elif feature_decay is not None:
            lambda_h = self.factor * _amount(feature_decay, "feature_decay") * _samples(samples)
        if weight_decay is not None:
            return UFMPenalties(lambda_h, self.factor * _amount(weight_decay, "weight_decay"))
        assert weight_penalty is not None
        return UFMPenalties(lambda_h, 2 * self.factor * _amount(weight_penalty, "weight_penalty"))

    def weight_decay(self, penalties: UFMPenalties) -> float:
        """The optimiser's weight decay that gives λ_W."""
        return _amount(penalties.lambda_w, "lambda_w") / self.factor

    def weight_penalty(self, penalties: UFMPenalties) -> float:
        """The λ of a term λ‖W‖² in the script's loss that gives λ_W."""
        return _amount(penalties.lambda_w, "lambda_w") / (2 * self.factor)

    def feature_penalty(self, penalties: UFMPenalties) -> float:
        """The λ of a term λ·(mean of ‖h‖² over the batch) in the script's loss that gives λ_H."""
        return _amount(penalties.lambda_h, "lambda_h") / (2 * self.factor)

    def feature_decay(self, penalties: UFMPenalties, *, samples: int) -> float:
        """The optimiser's weight decay on H, N × d parameters, that gives λ_H."""
        return _amount(penalties.lambda_h, "lambda_h") / (self.factor * _samples(samples))


def _amount(value: float, name: str) -> float:
    if not value >= 0:
        raise ArgumentError(f"{name} must be 0 or positive, got {value}")
    return float(value)


def _samples(samples: int | None) -> int:
    if samples is None or samples < 1:
        raise ArgumentError(
            f"samples must be the number of rows of H (1 or more) with feature_decay, got {samples}"
        )
    return samples


def _one_of(value: str, known: tuple[str, ...], name: str, why: str) -> None:
    if value not in known:
        raise ArgumentError(f"{name} must be one of {', '.join(known)}; got {value!r} ({why})")
