"""How far W's Gram matrix is from what the targets' covariance predicts: [A24]'s NRC3."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.metrics.view import Undefined

__all__ = ["GramFit", "gram_fit", "gram_residual"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class GramFit:
    """The γ that minimises `gram_residual`.

    Attributes:
        residual: The minimum.
        gamma: γ*; NaN where every γ gives the same value.
        largest: λ_min(Σ_Y), the end of the range of γ; 0 where Σ_Y is singular to rounding.
        on_end: Whether γ* is 0 or λ_min; None where γ* is NaN.
    """

    residual: float
    gamma: float
    largest: float
    on_end: bool | None


def gram_residual(
    gram: Float64[Tensor, "t t"], covariance: Float64[Tensor, "t t"], gamma: float
) -> float | Undefined:
    """Distance of the shapes of G = WWᵀ and S − √γ I, S = Σ_Y^{1/2}: 2024's NRC3 at a given γ.

    ‖ G/‖G‖_F − (S − √γ I)/‖S − √γ I‖_F ‖_F².

    Args:
        gram: G, t × t.
        covariance: Σ_Y, t × t.
        gamma: γ, in squared units of the targets, from 0 to the least eigenvalue of Σ_Y.

    Returns:
        In [0, 2] for γ in its range; 0 = collapsed. Undefined for one target, a zero weight,
        constant targets, and where S = √γ I.

    References:
        [A24] NRC3.
    """
    if undefined := _undefined(gram, covariance):
        return undefined
    rotated, roots = _in_target_basis(gram, covariance)
    return _distance(rotated, roots, gamma**0.5)


def gram_fit(
    gram: Float64[Tensor, "t t"], covariance: Float64[Tensor, "t t"]
) -> GramFit | Undefined:
    """The γ in [0, λ_min(Σ_Y)] that minimises `gram_residual`, in closed form.

    In Σ_Y's eigenbasis, with g the diagonal of G, s the roots of the eigenvalues, ε and δ their
    distances from their means ḡ and s̄, the only stationary point is √γ = s̄ − ḡ Σδ²/Σεδ, a minimum
    if Σεδ > 0; it is compared with both ends.
    """
    if undefined := _undefined(gram, covariance):
        return undefined
    rotated, roots = _in_target_basis(gram, covariance)
    end = float(roots[-1])
    if end**2 <= len(roots) * _EPS * float(roots[0]) ** 2:
        end = 0.0
    delta = roots - roots.mean()
    if float(delta.abs().max()) <= len(roots) * _EPS * float(roots[0]):
        return GramFit(_shape_distance(rotated, torch.ones_like(roots)), float("nan"), end**2, None)
    g = rotated.diagonal()
    slope = float(((g - g.mean()) * delta).sum())
    candidates = [0.0, end]
    if slope > 0.0:
        stationary = float(roots.mean()) - float(g.mean()) * float(delta.square().sum()) / slope
        if 0.0 < stationary < end:
            candidates.append(stationary)
    best = min(candidates, key=lambda root: _shape_distance(rotated, roots - root))
    residual = _shape_distance(rotated, roots - best)
    return GramFit(residual, best**2, end**2, best in (0.0, end))


def _undefined(gram: Tensor, covariance: Tensor) -> Undefined | None:
    if len(gram) == 1:
        return Undefined("with one target it is 0 for any weight")
    if float(covariance.diagonal().sum()) == 0.0:
        return Undefined("the targets are the same for every sample")
    if float(gram.diagonal().sum()) == 0.0:
        return Undefined("the weight is 0")
    return None


def _in_target_basis(gram: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """G in the eigenbasis of Σ_Y, and the roots of Σ_Y's eigenvalues, largest first."""
    spectrum = symmetric_spectrum(covariance)
    scaled = gram / gram.diagonal().max()  # only its shape matters; squares could underflow
    return spectrum.vectors.T @ scaled @ spectrum.vectors, spectrum.values.sqrt()


def _distance(rotated: Tensor, roots: Tensor, root: float) -> float | Undefined:
    if float((roots - root).abs().max()) <= len(roots) * _EPS * float(roots[0]):
        return Undefined("the targets' covariance is γ I: S − √γ I is 0")
    return _shape_distance(rotated, roots - root)


def _shape_distance(gram: Tensor, diagonal: Tensor) -> float:
    difference = gram / torch.linalg.norm(gram) - torch.diag(diagonal / torch.linalg.norm(diagonal))
    return float(difference.square().sum())
