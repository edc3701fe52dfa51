"""How much features vary within classes: NC1 of [RU26, Table 1], at any layer.

[P20] is Papyan, Han and Donoho, PNAS 2020; [G21] Galanti, György and Hutter, On the role of neural
collapse in transfer learning, ICLR 2022.
"""

import torch

from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.view import Undefined

__all__ = [
    "class_distance_variance",
    "within_between_ratio",
    "within_class_share",
]


def within_class_share(view: ClassView) -> float | Undefined:
    """Share of the features' variance within classes, Tr Σ_W/Tr Σ_T: NC1.

    For one-hot targets it is also the square of the left side of Proposition 1.

    Returns:
        In [0, 1]; 0 = every class is a point. Undefined for constant features, and where no class
        has two rows.

    References:
        [RU26] Table 1, NC1.
    """
    if undefined := view.layer.constant_features or _no_pairs(view):
        return undefined
    # Σ_T as the sum of both parts, so that the share is exactly 1 for equal class means.
    between = float(view.between.sum())
    return view.within / (view.within + between)


def within_between_ratio(view: ClassView) -> float | Undefined:
    """Variance within classes over that between them, Tr(Σ_W Σ_B⁺)/C: [P20]'s NC1.

    Σ_B weighs each class by its rows, about the mean of all rows.

    Returns:
        ≥ 0; 0 = collapsed. Undefined for equal or missing class means, and where no class has two
        rows.
    """
    if undefined := view.equal_means or view.unseen_classes or _no_pairs(view):
        return undefined
    within = view.spread / view.layer.moments.count
    return float((within / view.between).sum()) / view.class_count


def class_distance_variance(view: ClassView) -> float | Undefined:
    """Class-distance normalised variance (CDNV): mean over pairs of (v_a + v_b)/(2‖μ_a − μ_b‖²).

    v_c is the mean of ‖h − μ_c‖² over the class's rows.

    Returns:
        ≥ 0; 0 = collapsed. Undefined where `within_between_ratio` is, and where two classes have
        the same mean.

    References:
        [G21] Definition 1.
    """
    if undefined := view.equal_means or view.unseen_classes or _no_pairs(view):
        return undefined
    variances = view.classes.energies / view.classes.counts
    a, b = torch.triu_indices(view.class_count, view.class_count, offset=1)
    means = view.classes.means
    exact = "donot_use_mm_for_euclid_dist"  # by products, small distances would be rounding
    distances = torch.cdist(means, means, compute_mode=exact)[a, b].square()
    same = torch.nonzero(distances == 0).flatten()
    if len(same):
        return Undefined(f"classes {int(a[same[0]])} and {int(b[same[0]])} have the same mean")
    return float(((variances[a] + variances[b]) / (2 * distances)).mean())


def _no_pairs(view: ClassView) -> Undefined | None:
    if int(view.classes.counts.max()) < 2:
        return Undefined("no class has two samples: nothing varies within a class")
    return None
