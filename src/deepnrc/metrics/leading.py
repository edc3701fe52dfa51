"""Whether the k leading directions are told from the others: equal values leave them arbitrary."""

import torch

from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["features_without_leading", "is_tie", "weight_without_leading"]

_TIE = "of them lead"
_DOUBLE, _SINGLE = torch.finfo(torch.float64).eps, torch.finfo(torch.float32).eps


def features_without_leading(view: LayerView, k: int, *, center: bool) -> Undefined | None:
    """Why the features' k leading directions are arbitrary; None where they are not.

    White features, such as whitened inputs, have no leading directions: any basis diagonalizes
    their covariance, and what is measured within k of its directions changes with the basis.
    Beyond the numerical rank nothing varies, so that the directions there do not matter.

    Args:
        view: Of the layer.
        k: Leading directions.
        center: Whether of the covariance, else of the second moment.
    """
    spectrum = view.covariance_spectrum if center else view.second_moment_spectrum
    values = spectrum.values
    if k >= len(values) or float(values[0]) == 0.0:
        return None
    first, last, after = (float(values[i]) for i in (0, k - 1, k))
    # Of the moments, and of the features themselves, independent in each row.
    own = min(view.feature_eps, _SINGLE) * (first**0.5 * last**0.5) / view.moments.count**0.5
    rounding = 32 * _DOUBLE * first + 8 * own
    if last <= 4 * view.width * _DOUBLE * first or last - after > rounding:
        return None
    return Undefined(_reason("features have equal variances in", values, last, rounding, k))


def weight_without_leading(view: LayerView, k: int) -> Undefined | None:
    """Why the weight's k leading directions are arbitrary; None where they are not.

    Orthogonal weights read all directions alike.

    Args:
        view: Of the layer; its weight is known and not 0.
        k: Leading directions, at most the weight's rank.
    """
    values = view.weight_spectrum.values
    if k >= len(values):
        return None
    first, last, after = (float(values[i]) for i in (0, k - 1, k))
    # The second term is the rounding of eigenvalues of WᵀW.
    rounding = 32 * min(view.weight_eps, _SINGLE) * first + 8 * _DOUBLE * first**2 / last
    if last - after > rounding:
        return None
    return Undefined(_reason("weight reads alike", values, last, rounding, k))


def _reason(what: str, values: torch.Tensor, last: float, rounding: float, k: int) -> str:
    equal = int(((values - last).abs() <= rounding).sum())
    return f"the {what} {equal} directions, so that no {k} {_TIE}"


def is_tie(reason: str) -> bool:
    """Whether a value is undefined because no directions lead, and not because of what they are."""
    return reason.endswith(_TIE)
