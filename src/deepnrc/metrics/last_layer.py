"""Neural regression collapse at the last layer, as [A24] measures it (2024's NRC1–3).

These are **not** Deep NRC's conditions of the same numbers, so names say what is measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.metrics.gram import GramFit, gram_fit, gram_residual
from deepnrc.metrics.unit_rows import feature_pca_residual, feature_weight_residual, fills_width
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.unit_rows import UnitRows

__all__ = ["LastLayer", "last_layer_record"]

_NOT_ASKED = "pass last_layer='paper2024' or 'centred' to measure it"


@dataclass(frozen=True)
class LastLayer:
    """[A24]'s quantities at a network's last layer; NaN where undefined, with the reason.

    Attributes:
        layer: Its name: the last one called whose weight has a row a target.
        variant: What became of the rows before they were scaled to length 1: ``"paper2024"``
            nothing, as the published code; ``"centred"`` their mean was subtracted. On features
            in a plane that misses the origin the first stays far from 0. None: not measured.
        width: d.
        feature_pca_residual: NRC1 (2024), mean ‖h̃ − P h̃‖², P onto the t principal components of
            the centred features. In [0, 1]; 0 = collapsed.
        feature_weight_residual: NRC2 (2024), the same with P onto W's row space.
        chance_residual: What either would be for rows in all directions alike, 1 − t/d.
        zero_rows: Rows without a direction, left out of both.
        gram_residual: NRC3 (2024) at ``gamma``, see `deepnrc.metrics.gram`. In [0, 2]; 0 =
            collapsed. With two targets it tests only the eigenvectors, and that WWᵀ is at least as
            anisotropic as Σ_Y^{1/2}: look at ``gram_eigenvalues`` beside it.
        gamma: γ*, where it is least.
        gamma_share: γ*/λ_min(Σ_Y), in [0, 1].
        gamma_on_end: Whether γ* is 0 or λ_min(Σ_Y).
        gram_eigenvalues: Of WWᵀ, descending.
        explained_variance_ratios: EVR_k, share of the features' variance along each principal
            component, descending.
        r2: The model's own R², pooled over targets.
        target_r2: The same of each target alone; NaN for a constant one.
        gram: WWᵀ, t × t.
        target_covariance: Σ_Y; for ``intercept=False`` the targets' uncentred second moment,
            which is what a network without biases fits.
        undefined: Reason by name of each undefined value.

    References:
        [A24] section 3.
    """

    layer: str
    variant: str | None
    width: int
    feature_pca_residual: float
    feature_weight_residual: float
    chance_residual: float
    zero_rows: int
    gram_residual: float
    gamma: float
    gamma_share: float
    gamma_on_end: bool | None
    gram_eigenvalues: tuple[float, ...]
    explained_variance_ratios: tuple[float, ...]
    r2: float
    target_r2: tuple[float, ...]
    gram: tuple[tuple[float, ...], ...]
    target_covariance: tuple[tuple[float, ...], ...]
    undefined: Mapping[str, str]

    @property
    def largest_gamma(self) -> float:
        """λ_min(Σ_Y): γ goes from 0 to this."""
        return max(float(torch.linalg.eigvalsh(_matrix(self.target_covariance))[0]), 0.0)

    def gram_residual_at(self, gamma: float) -> float:
        """NRC3 (2024) at a given γ: for a training curve, the ``gamma`` of its last measurement.

        Args:
            gamma: In squared units of the targets, from 0 to `largest_gamma`.

        Returns:
            In [0, 2]; NaN where it is undefined.

        Raises:
            ArgumentError: γ is out of its range.
        """
        largest = self.largest_gamma
        if not 0.0 <= gamma <= largest * (1 + 1e-9):
            raise ArgumentError(
                f"gamma must be from 0 to λ_min(Σ_Y) = {largest:.6g}; got {gamma!r}: take it from "
                "a measurement on the same targets"
            )
        value = gram_residual(_matrix(self.gram), _matrix(self.target_covariance), gamma)
        return math.nan if isinstance(value, Undefined) else value

    def gram_curve(self, points: int = 101) -> tuple[tuple[float, float], ...]:
        """(γ/λ_min, NRC3 at γ) at equal steps from 0 to 1, as [A24] draws it.

        Raises:
            ArgumentError: Fewer than two points.
        """
        if points < 2:
            raise ArgumentError(f"points must be at least 2; got {points!r}")
        shares = [i / (points - 1) for i in range(points)]
        return tuple((share, self.gram_residual_at(share * self.largest_gamma)) for share in shares)


def last_layer_record(
    name: str,
    view: LayerView,
    directions: UnitRows | None,
    *,
    variant: str | None,
    squared_errors: tuple[float, ...] | Undefined,
) -> LastLayer:
    """The record of a last layer from its moments, its weight and the model's errors.

    Args:
        name: The layer's.
        view: With ``signal_rank`` t.
        directions: Its unit rows; None: not asked for.
        variant: How they were made.
        squared_errors: Sum over the samples, by target.
    """
    t, width = view.moments.target_dim, view.width
    covariance, gram = _target_moment(view), view.weight @ view.weight.T
    results: dict[str, float | Undefined] = {
        "feature_pca_residual": Undefined(_NOT_ASKED),
        "feature_weight_residual": Undefined(_NOT_ASKED),
        "chance_residual": 1.0 - t / width if t < width else Undefined(fills_width(view)),
    }
    if directions is not None:
        results["feature_pca_residual"] = feature_pca_residual(view, directions)
        results["feature_weight_residual"] = feature_weight_residual(view, directions)
    fit = gram_fit(gram, covariance)
    if isinstance(fit, Undefined):
        results |= dict.fromkeys(("gram_residual", "gamma", "gamma_share"), fit)
    else:
        results |= _gamma(fit)
    r2, target_r2 = _r2(view, squared_errors)
    results["r2"] = r2
    by_target = {f"target_r2[{i}]": value for i, value in enumerate(target_r2)}
    undefined = {k: v.reason for k, v in (results | by_target).items() if isinstance(v, Undefined)}
    values = view.covariance_spectrum.values
    ratios = () if view.constant_features else tuple((values / values.sum()).tolist())
    if view.constant_features:
        undefined["explained_variance_ratios"] = view.constant_features
    return LastLayer(
        layer=name,
        variant=variant,
        width=width,
        **{key: _number(value) for key, value in results.items()},
        zero_rows=0 if directions is None else directions.zero_rows,
        gamma_on_end=None if isinstance(fit, Undefined) else fit.on_end,
        gram_eigenvalues=tuple(symmetric_spectrum(gram).values.tolist()),
        explained_variance_ratios=ratios,
        target_r2=tuple(_number(value) for value in target_r2),
        gram=_rows(gram),
        target_covariance=_rows(covariance),
        undefined=undefined,
    )


def _target_moment(view: LayerView) -> Float64[Tensor, "t t"]:
    moments = view.moments
    if view.intercept:
        return moments.target_covariance
    return moments.target_covariance + torch.outer(moments.target_mean, moments.target_mean)


def _gamma(fit: GramFit) -> dict[str, float | Undefined]:
    gamma: float | Undefined = fit.gamma
    share: float | Undefined = fit.gamma / fit.largest if fit.largest > 0.0 else 0.0
    if math.isnan(fit.gamma):
        gamma = share = Undefined("the targets' variances are all alike: every γ gives the same")
    elif fit.largest == 0.0:
        share = Undefined("the targets' covariance is singular: γ can only be 0")
    return {"gram_residual": fit.residual, "gamma": gamma, "gamma_share": share}


def _r2(
    view: LayerView, squared_errors: tuple[float, ...] | Undefined
) -> tuple[float | Undefined, list[float | Undefined]]:
    scatter = view.moments.target_scatter.diagonal().tolist()
    if isinstance(squared_errors, Undefined):
        return squared_errors, [squared_errors] * len(scatter)
    constant = Undefined("the target is the same for every sample")
    by_target = [
        1.0 - error / total if total > 0.0 else constant
        for error, total in zip(squared_errors, scatter, strict=True)
    ]
    total = math.fsum(scatter)
    pooled = 1.0 - math.fsum(squared_errors) / total if total > 0.0 else constant
    return pooled, by_target


def _number(value: float | Undefined) -> float:
    return math.nan if isinstance(value, Undefined) else value


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _matrix(rows: tuple[tuple[float, ...], ...]) -> Float64[Tensor, "t t"]:
    return torch.tensor(rows, dtype=torch.float64)
