"""Similarity of features and targets (NRC2): linear CKA from cross moments."""

import torch

from deepnrc.metrics.leading import features_without_leading
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["linear_cka", "signal_target_cka"]


def signal_target_cka(view: LayerView) -> float | Undefined:
    """Linear CKA between the features within their top-k subspace and the targets: NRC2.

    ‖U_kᵀΣ_HY‖_F² / (‖diag(λ_1 … λ_k)‖_F ‖Σ_Y‖_F): the CKA of H U_k U_kᵀ and Y (biased HSIC,
    linear kernel), without an N × N kernel. Invariant to rotation and scaling of the features.

    Returns:
        In [0, 1]; 1 = the same similarity between samples. Undefined for constant features or
        targets, and where no k directions of the features lead.

    References:
        [RU26] Table 1, NRC2; [K19] for linear CKA.
    """
    if undefined := view.constant_features or view.constant_targets:
        return undefined
    spectrum, k = view.covariance_spectrum, view.signal_dim
    if undefined := features_without_leading(view, k, center=True):
        return undefined
    cross = spectrum.top(k).T @ view.moments.cross_covariance
    return _ratio(cross, spectrum.values[:k], view)


def linear_cka(view: LayerView) -> float | Undefined:
    """Linear CKA between the whole features and the targets, ‖Σ_HY‖_F²/(‖Σ_H‖_F ‖Σ_Y‖_F).

    Returns:
        In [0, 1]; it falls short of `signal_target_cka` by the effect of the noise. Undefined for
        constant features or targets.

    References:
        [K19] section 3.
    """
    if undefined := view.constant_features or view.constant_targets:
        return undefined
    return _ratio(view.moments.cross_covariance, view.covariance_spectrum.values, view)


def _ratio(cross: torch.Tensor, values: torch.Tensor, view: LayerView) -> float:
    # Scaled first: squares of tiny covariances would underflow, and those of huge ones overflow.
    targets = view.moments.target_covariance
    largest = targets.diagonal().max()
    cross = cross / values[0].sqrt() / largest.sqrt()
    norms = torch.linalg.norm(values / values[0]) * torch.linalg.norm(targets / largest)
    return float((cross.square().sum() / norms).clamp(max=1.0))
