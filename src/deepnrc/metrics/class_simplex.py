"""How far class means are from a simplex: NC2 of [RU26, Table 1], at any layer.

In a simplex equiangular tight frame (ETF) all lengths are equal, and all angles equal and as wide
as they can be. [P20] is Papyan, Han and Donoho, PNAS 2020.
"""

import torch

from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.view import Undefined

__all__ = [
    "class_angle_deviation",
    "class_norm_variation",
    "simplex_distance",
]


def simplex_distance(view: ClassView) -> float | Undefined:
    """How far the class means are from a simplex ETF: NC2.

    ‖ MMᵀ/‖MMᵀ‖_F − (I − 11ᵀ/C)/√(C − 1) ‖_F with M the class means less their mean, in which
    every class has the same weight.

    Returns:
        In [0, √2]; 0 = equal lengths and equal angles. Undefined for two classes, whose centred
        means are always opposite.

    References:
        [RU26] Table 1, NC2; [P20].
    """
    if undefined := _no_simplex(view):
        return undefined
    means, count = view.centered_means / torch.linalg.norm(view.centered_means), view.class_count
    gram = means @ means.T
    simplex = torch.eye(count, dtype=gram.dtype) - 1.0 / count
    return float(torch.linalg.norm(gram / torch.linalg.norm(gram) - simplex / (count - 1) ** 0.5))


def class_norm_variation(view: ClassView) -> float | Undefined:
    """Standard deviation over mean of the lengths of the centred class means: NC2, equal norms.

    Returns:
        ≥ 0; 0 = equal lengths. Undefined where `simplex_distance` is.

    References:
        [P20] Figure 2.
    """
    if undefined := _no_simplex(view):
        return undefined
    norms = torch.linalg.vector_norm(view.centered_means, dim=1)
    return float(norms.std(correction=0) / norms.mean())


def class_angle_deviation(view: ClassView) -> float | Undefined:
    """Mean over pairs of |cos(μ_a, μ_b) + 1/(C − 1)| of the centred class means: NC2, angles.

    Returns:
        In [0, 2]; 0 = all angles are as wide as they can be at once. Undefined where
        `simplex_distance` is, and where a class mean is the mean of all.

    References:
        [P20] Figure 4.
    """
    if undefined := _no_simplex(view):
        return undefined
    norms = torch.linalg.vector_norm(view.centered_means, dim=1, keepdim=True)
    if float(norms.min()) == 0.0:
        return Undefined(
            f"class {int(norms.argmin())} has the mean of all classes: it has no direction"
        )
    unit = view.centered_means / norms
    a, b = torch.triu_indices(view.class_count, view.class_count, offset=1)
    cosines = (unit @ unit.T)[a, b]
    return float((cosines + 1.0 / (view.class_count - 1)).abs().mean())


def _no_simplex(view: ClassView) -> Undefined | None:
    if view.class_count == 2:
        return Undefined("two centred class means are always opposite: it is 0 for any features")
    return view.equal_means or view.unseen_classes
