"""The optimum of the unconstrained feature model: what is known of it, W and H, and its text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.support.text import Table, counted
from deepnrc.theory.arguments import MatrixLike, matrix
from deepnrc.theory.text import fit_lines, matrix_lines, short

__all__ = ["Regime", "UFMOptimum"]


class Regime(StrEnum):
    """What the size of c = λ_H λ_W against the eigenvalues s_1 ≥ … ≥ s_t of Σ_Y makes of W."""

    UNREGULARIZED = "unregularized"  # both penalties 0: every W of full rank fits
    FULL_RANK = "full rank"  # c < s_t
    LOW_RANK = "low rank"  # s_t ≤ c < s_1
    ZERO = "zero"  # c ≥ s_1: W = 0


@dataclass(frozen=True, eq=False)
class UFMOptimum:
    """The minimum of the unconstrained feature model for one Σ_Y and two penalties.

    Attributes:
        regime: Which of the four cases holds.
        lambda_h: λ_H.
        lambda_w: λ_W.
        c: λ_H λ_W, in the targets' squared units.
        eigenvalues: s_1 ≥ … ≥ s_t of the matrix that is fitted: Σ_Y; without a bias, the second
            moment of the targets.
        directions: U, t × t; column i belongs to s_i.
        bias: b, length t: the targets' mean, 0 where none was given; 0 without a bias.
        gram: W Wᵀ = √(λ_H/λ_W) U diag[√s_i − √c]₊ Uᵀ, t × t. NaN where unregularized.
        loss: L*, the minimum of the whole objective.
        mse: Training error summed over the targets, Σ min(c, s_i), in squared target units.
            PyTorch's ``MSELoss`` is this divided by t.
        r2: 1 − mse/Tr Σ_Y, pooled over the targets, ≤ 1. NaN for constant targets.
        rank: Rank of the predictions, #{s_i > c}; also that of W and H unless unregularized.
        residual_covariance: Of what stays unfitted, U diag(min(c, s_i)) Uᵀ, t × t; its second
            moment without a bias. c·I where the rank is full: white noise.
        row_angles: Angles between the rows of W in degrees, t × t. NaN for a row that is 0.
        feature_energy: ‖H‖²/N, the mean squared length of a sample's features.
        undefined: Reasons, by the name of the field that holds NaN.
    """

    regime: Regime
    lambda_h: float
    lambda_w: float
    c: float
    eigenvalues: Tensor
    directions: Tensor
    bias: Tensor
    gram: Tensor
    loss: float
    mse: float
    r2: float
    rank: int
    residual_covariance: Tensor
    row_angles: Tensor
    feature_energy: float
    undefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def target_dim(self) -> int:
        """Number of targets, t."""
        return self.eigenvalues.numel()

    @property
    def gamma(self) -> float:
        """The γ at which 2024's NRC3 is 0: c where the rank is full, else NaN [A24, eq. 3]."""
        return self.c if self.regime is Regime.FULL_RANK else math.nan

    def weight(self, rotation: MatrixLike | None = None) -> Tensor:
        """One of the optimal W, t × d: W = gram^{1/2} R, and R is free.

        Args:
            rotation: R, t × d with R Rᵀ = I, so d ≥ t. Default: the identity, d = t.

        Raises:
            ArgumentError: R has another number of rows, or they are not orthonormal; or both
                penalties are 0, so that W is not determined.
        """
        root = (self.directions * self._singular_values("W")) @ self.directions.T
        return root if rotation is None else root @ self._rotation(rotation)

    def features(self, targets: MatrixLike, rotation: MatrixLike | None = None) -> Tensor:
        """The optimal H, N × d, that goes with `weight` of the same rotation.

        H = √(λ_W/λ_H) (Y − 1bᵀ)(Σ^{1/2})⁺ W, a linear function of the targets.

        Args:
            targets: Y, N × t; H is the minimizer when their covariance is Σ_Y and their mean b.
            rotation: As in `weight`.

        Raises:
            ArgumentError: As in `weight`; or Y has another number of columns than Σ_Y.
        """
        gain = self._singular_values("H")
        rows = matrix(targets, "targets", columns=self.target_dim)
        if self.rank:
            ratio = math.sqrt(self.lambda_w / self.lambda_h)
            kept = slice(self.rank)
            gain[kept] = ratio * gain[kept] / self.eigenvalues[kept].sqrt()
        features = (rows - self.bias) @ ((self.directions * gain) @ self.directions.T)
        return features if rotation is None else features @ self._rotation(rotation)

    def _singular_values(self, what: str) -> Tensor:
        if self.regime is Regime.UNREGULARIZED:
            raise ArgumentError(
                f"{what} is not determined when both penalties are 0, as every W of full rank "
                "fits: draw one with sample_interpolating, or give small positive penalties"
            )
        squares = (self.directions.T @ self.gram @ self.directions).diagonal().clone()
        squares[self.rank :] = 0.0
        return squares.clamp(min=0).sqrt()

    def _rotation(self, rotation: MatrixLike) -> Tensor:
        t = self.target_dim
        rows = matrix(rotation, "rotation", rows=t)
        gap = float((rows @ rows.T - torch.eye(t, dtype=torch.float64)).abs().max())
        if gap > 1e-9:
            raise ArgumentError(
                "rotation must have orthonormal rows (R Rᵀ = I, so d ≥ t); got an R Rᵀ that is off "
                f"by {gap:.2g}"
            )
        return rows

    def __str__(self) -> str:
        """Regime, loss and errors, directions, W Wᵀ and the angles of its rows."""
        t = self.target_dim
        lines = [
            f"Unconstrained feature model, {counted(t, 'target')}, c = λ_H·λ_W = {short(self.c)}: "
            f"{self.regime.value}",
            self._meaning(),
            "",
            *fit_lines(
                self.loss, self.mse, t, self.r2,
                ("‖H‖²/N", self.feature_energy, "mean squared length of the features"),
                reason=self.undefined.get("r2", ""),
            ),
            "",
        ]  # fmt: skip
        if self.regime is not Regime.UNREGULARIZED:
            lines += [str(self._directions_table()), "", "W Wᵀ", *matrix_lines(self.gram), ""]
            lines += ["angles between the rows of W, degrees"]
            lines += matrix_lines(self.row_angles, digits=2)
        reasons = [
            self.undefined[name] for name in ("gram", "row_angles") if name in self.undefined
        ]
        return "\n".join([*lines, *(f"–: {reason}" for reason in reasons[:1])])

    def _meaning(self) -> str:
        s, t = self.eigenvalues.tolist(), self.target_dim
        return {
            Regime.UNREGULARIZED: "c = 0: every W of full rank fits, nothing collapses",
            Regime.FULL_RANK: f"c is below s_{t} = {short(s[-1])}: every direction is learned",
            Regime.LOW_RANK: f"c is between the eigenvalues: {self.rank} of {t} directions are "
            "learned",
            Regime.ZERO: f"c is not below s_1 = {short(s[0])}: nothing is learned, W = 0",
        }[self.regime]

    def _directions_table(self) -> Table:
        sizes = (self.directions.T @ self.gram @ self.directions).diagonal().clamp(min=0).tolist()
        rows = [
            (str(i), short(s), short(min(self.c, s)), short(size))
            for i, (s, size) in enumerate(zip(self.eigenvalues.tolist(), sizes, strict=True), 1)
        ]
        headings = ("direction", "variance s", "left unfitted", "eigenvalue of WWᵀ")
        return Table(headings, tuple(rows), ())
