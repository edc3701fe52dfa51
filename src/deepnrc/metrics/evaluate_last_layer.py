"""The record of a last layer from its moments, its weight and the model's errors."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.metrics.catalogue import split_undefined
from deepnrc.metrics.gram import GramFit, gram_fit
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.metrics.unit_rows import (
    chance_residual,
    feature_pca_residual,
    feature_weight_residual,
)
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.unit_rows import UnitRows

__all__ = ["last_layer_record"]

_NOT_ASKED = Undefined("pass last_layer='paper2024' or 'centred' to measure it")


def last_layer_record(
    name: str,
    view: LayerView,
    unit_rows: UnitRows | None,
    *,
    variant: str | None,
    squared_errors: tuple[float, ...] | Undefined,
) -> LastLayer:
    """The record of a last layer.

    Args:
        name: Of the layer.
        view: Its moments and weight, which is known, with ``signal_rank`` t.
        unit_rows: Second moment of its unit rows; None where they were not asked for.
        variant: How the rows were scaled, as in `LastLayer`.
        squared_errors: Sum of the model's squared errors over the samples, by target.
    """
    gram, covariance = view.matrix @ view.matrix.T, _target_moment(view)
    fit = gram_fit(gram, covariance)
    pca_residual: float | Undefined = _NOT_ASKED
    weight_residual: float | Undefined = _NOT_ASKED
    if unit_rows is not None:
        pca_residual = feature_pca_residual(view, unit_rows)
        weight_residual = feature_weight_residual(view, unit_rows)
    r2, target_r2 = _r2(view, squared_errors)
    values, undefined = split_undefined(
        {
            "feature_pca_residual": pca_residual,
            "feature_weight_residual": weight_residual,
            "chance_residual": chance_residual(view),
            **_gamma(fit),
            "r2": r2,
        }
    )
    by_target, reasons = split_undefined({f"target_r2[{i}]": x for i, x in enumerate(target_r2)})
    undefined |= reasons
    variances = view.covariance_spectrum.values
    if view.constant_features:
        undefined["explained_variance_ratios"] = view.constant_features.reason
    return LastLayer(
        layer=name,
        variant=variant,
        width=view.width,
        **values,
        zero_rows=0 if unit_rows is None else unit_rows.zero_rows,
        gamma_on_end=None if isinstance(fit, Undefined) else fit.on_end,
        gram_eigenvalues=tuple(symmetric_spectrum(gram).values.tolist()),
        explained_variance_ratios=()
        if view.constant_features
        else tuple((variances / variances.sum()).tolist()),
        target_r2=tuple(by_target.values()),
        gram=_rows(gram),
        target_covariance=_rows(covariance),
        undefined=undefined,
    )


def _target_moment(view: LayerView) -> Float64[Tensor, "t t"]:
    moments = view.moments
    if view.intercept:
        return moments.target_covariance
    return moments.target_covariance + torch.outer(moments.target_mean, moments.target_mean)


def _gamma(fit: GramFit | Undefined) -> dict[str, float | Undefined]:
    if isinstance(fit, Undefined):
        return dict.fromkeys(("gram_residual", "gamma", "gamma_share"), fit)
    gamma: float | Undefined = fit.gamma
    share: float | Undefined = fit.gamma / fit.largest if fit.largest > 0.0 else 0.0
    if math.isnan(fit.gamma):
        gamma = share = Undefined(
            "the targets' variances are all equal: every γ gives the same value"
        )
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


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))
