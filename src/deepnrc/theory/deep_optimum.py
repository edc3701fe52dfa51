"""The optimum of the deep linear model: what is known of it, and its text."""

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float64
from torch import Tensor

from deepnrc.support.text import Table, counted
from deepnrc.theory.text import fit_lines, long, short

__all__ = ["DeepUFMOptimum"]


@dataclass(frozen=True)
class DeepUFMOptimum:
    """The global minimum of the deep linear model whose layers are at least as wide as Σ_Y's rank.

    Directions are eigenvectors of Σ_Y, by descending eigenvalue. Depth l counts the weights passed:
    depth 0 is H, which enters W_1, and depth L the predictions. Metrics are by weight layer and
    are those of its input, as everywhere in Deep NRC. A value that is not defined is NaN, and
    `undefined` says why.

    Attributes:
        lambdas: Penalties of W_1 to W_L.
        lambda_h: Penalty of the features.
        target_eigenvalues: s, eigenvalues of Σ_Y, t.
        target_directions: U, eigenvectors of Σ_Y in columns, t × t.
        threshold: s*: a direction is kept where √s_i > s*. √C for L = 1.
        kept: Which directions the optimum keeps, t.
        tied: Which are at the threshold, to rounding, t. For L ≥ 2 dropping and keeping them cost
            the same, so that the minimum is not unique; the one described drops them.
        rank: Directions kept: the rank of every factor.
        singular_values: x, singular values of W_L ⋯ W_1 H/√M, t; 0 where dropped.
        loss: The objective at the minimum.
        mse: Training error, summed over targets and averaged over samples (t times PyTorch's).
        r2: 1 − mse/Tr Σ_Y, in [0, 1]; undefined for constant targets.
        residual_covariance: Covariance of Y − W_L ⋯ W_1 H, t × t.
        grams: L × t × t. The last is W_L W_Lᵀ. In a hidden layer only the eigenvalues and the
            directions they belong to are fixed: W_l W_lᵀ = Q_l grams[l − 1] Q_lᵀ, where the columns
            of Q_l are orthonormal and W_L ⋯ W_{l+1} takes them to directions of the targets.
        weight_spectra: Eigenvalues of the Grams: squared singular values of W_l, L × t.
        feature_spectra: Covariance eigenvalues of the features at depth 0 to L, (L + 1) × t; the
            widths' further eigenvalues are 0.
        cka_by_depth: Linear CKA of the features at depth 0 to L with Y, L + 1, in [0, 1].
            Undefined when nothing is kept. Rises with depth where penalties are weak; strong ones
            shrink weak directions so far that the last layers overshoot the targets' spectrum.
        signal_rank: k of the metrics that follow.
        noise_component: NRC1 of the features that enter W_1 to W_L, L, in [0, 1].
        signal_target_cka: NRC2, L, in [0, 1]: CKA of their top-k part with Y.
        feature_weight_alignment: NRC3, L: 1, or undefined where the k-th and (k + 1)-th eigenvalue
            are equal, so that the top-k subspace is not unique.
        undefined: Why values are NaN, empty where none is.
    """

    lambdas: tuple[float, ...]
    lambda_h: float
    target_eigenvalues: Float64[Tensor, " t"]
    target_directions: Float64[Tensor, "t t"]
    threshold: float
    kept: Bool[Tensor, " t"]
    tied: Bool[Tensor, " t"]
    rank: int
    singular_values: Float64[Tensor, " t"]
    loss: float
    mse: float
    r2: float
    residual_covariance: Float64[Tensor, "t t"]
    grams: Float64[Tensor, "L t t"]
    weight_spectra: Float64[Tensor, "L t"]
    feature_spectra: Float64[Tensor, "K t"]
    cka_by_depth: Float64[Tensor, " K"]
    signal_rank: int
    noise_component: Float64[Tensor, " L"]
    signal_target_cka: Float64[Tensor, " L"]
    feature_weight_alignment: Float64[Tensor, " L"]
    undefined: str

    def __str__(self) -> str:
        """Loss and errors, which directions are kept, and the features by depth."""
        t, depth = len(self.target_eigenvalues), len(self.lambdas)
        lines = [
            f"Deep linear unconstrained feature model, {counted(t, 'target')}, "
            f"{counted(depth, 'weight')}: {self.rank} of {t} directions are learned",
            f"a direction is learned when √s exceeds s* = {long(self.threshold)}",
            "",
            *fit_lines(self.loss, self.mse, t, self.r2),
            "",
            str(self._directions_table()),
            "",
            str(self._features_table()),
        ]
        return "\n".join([*lines, f"–: {self.undefined}"] if self.undefined else lines)

    def _directions_table(self) -> Table:
        columns = (self.target_eigenvalues.sqrt(), self.singular_values, self.tied)
        rows = [
            (f"{i}*" if tied else str(i), short(root), long(x))
            for i, (root, x, tied) in enumerate(zip(*(c.tolist() for c in columns), strict=True), 1)
        ]
        note = "* at the threshold: keeping it costs the same as dropping it"
        notes = (note,) if bool(self.tied.any()) else ()
        return Table(("direction", "√s of targets", "x kept"), tuple(rows), notes)

    def _features_table(self) -> Table:
        names = [f"input of W_{i + 1}" for i in range(len(self.lambdas))] + ["predictions"]
        values = zip(names, self.cka_by_depth.tolist(), self.feature_spectra.tolist(), strict=True)
        rows = [
            (name, "–" if math.isnan(cka) else f"{cka:.6f}", " ".join(map(short, spectrum)))
            for name, cka, spectrum in values
        ]
        return Table(("features", "CKA with Y", "variances"), tuple(rows), ())
