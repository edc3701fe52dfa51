"""How well a linear map of the features predicts the targets (NRC4), and its rounding error."""

from deepnrc.metrics.cut_fit import cut_fit
from deepnrc.metrics.fit import LinearFit
from deepnrc.metrics.resolved_fit import resolved_fit
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["LinearFit", "linear_fit", "linear_prediction_mse", "linear_r2"]


def linear_fit(view: LayerView) -> LinearFit:
    """Least squares of Y on H, from moments: in all resolved directions, or above a cut-off.

    With an intercept both sides are centred; without, raw second moments are used.
    """
    return cut_fit(view) if view.rcond else resolved_fit(view)


def linear_prediction_mse(view: LayerView) -> float | Undefined:
    """Error of the best linear prediction of the targets from this layer's features: NRC4.

    Mean squared error over all N·t entries, as PyTorch's ``MSELoss``, to be compared with the
    model's own. See `linear_fit` for conventions.

    Returns:
        ≥ 0, in squared units of the targets. Undefined for constant targets with an intercept,
        which alone predicts them, and for features whose squares underflow.

    References:
        [RU26] Table 1, NRC4.
    """
    if view.constant_targets and view.intercept:
        return view.constant_targets
    return view.underflow or linear_fit(view).mse


def linear_r2(view: LayerView) -> float | Undefined:
    """Share of the targets' variance that the linear prediction explains, pooled over targets.

    Returns:
        At most 1, and ≥ 0 with an intercept. Undefined for constant targets, and for features
        whose squares underflow.
    """
    if undefined := view.constant_targets or view.underflow:
        return undefined
    moments = view.moments
    variance = float(moments.target_covariance.diagonal().sum())
    return 1.0 - linear_fit(view).mse * moments.target_dim / variance
