"""Neural collapse of classifiers, the left column of [RU26, Table 1], at any layer.

[P20] is Papyan, Han and Donoho, PNAS 2020; [R23] Rangamani et al., ICML 2023; [G21] Galanti,
György and Hutter, On the role of neural collapse in transfer learning, ICLR 2022.
"""

import torch

from deepnrc.linalg.angles import principal_cosines
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.view import Undefined

__all__ = [
    "class_angle_deviation",
    "class_distance_variance",
    "class_norm_variation",
    "class_weight_alignment",
    "class_weight_cosine",
    "nearest_mean_agreement",
    "simplex_distance",
    "within_between_ratio",
    "within_class_share",
]


def within_class_share(view: ClassView) -> float | Undefined:
    """Share of the features' variance within classes, Tr Σ_W/Tr Σ_T: NC1.

    It is also the square of the left side of Proposition 1 for one-hot targets.

    Returns:
        In [0, 1]; 0 = every class is a point. Undefined for constant features and where no class
        has two rows.

    References:
        [RU26] Table 1, NC1.
    """
    if reason := view.layer.constant_features or _no_pairs(view):
        return Undefined(reason)
    # Σ_T from the two parts, so that the share of a layer without noise between is exactly 1.
    between = float(view.between.sum())
    return view.within / (view.within + between)


def within_between_ratio(view: ClassView) -> float | Undefined:
    """Noise in the directions between classes over signal, Tr(Σ_W Σ_B⁺)/C: [P20]'s NC1.

    Σ_B weighs each class by its rows, about the mean of all rows.

    Returns:
        ≥ 0; 0 = collapsed. Undefined besides for equal or missing class means.
    """
    if reason := view.one_point or view.unseen or _no_pairs(view):
        return Undefined(reason)
    within = view.spread / view.layer.moments.count
    return float((within / view.between).sum()) / view.class_count


def class_distance_variance(view: ClassView) -> float | Undefined:
    """Class-distance normalised variance (CDNV): mean over pairs of (v_a + v_b)/(2‖μ_a − μ_b‖²).

    v_c is the mean of ‖h − μ_c‖² over the class's rows.

    Returns:
        ≥ 0; 0 = collapsed. Undefined besides where two classes have the same mean.

    References:
        [G21] Definition 1.
    """
    if reason := view.one_point or view.unseen or _no_pairs(view):
        return Undefined(reason)
    variances = view.classes.energies / view.classes.counts
    a, b = torch.triu_indices(view.class_count, view.class_count, offset=1)
    means = view.classes.means
    exact = "donot_use_mm_for_euclid_dist"  # products would cancel for close means
    distances = torch.cdist(means, means, compute_mode=exact)[a, b].square()
    same = torch.nonzero(distances == 0).flatten()
    if len(same):
        return Undefined(f"classes {int(a[same[0]])} and {int(b[same[0]])} have the same mean")
    return float(((variances[a] + variances[b]) / (2 * distances)).mean())


def simplex_distance(view: ClassView) -> float | Undefined:
    """How far the class means are from a simplex ETF: NC2.

    ‖ MMᵀ/‖MMᵀ‖_F − (I − 11ᵀ/C)/√(C − 1) ‖_F with M the class means about their own mean, each
    class counted once.

    Returns:
        In [0, √2]; 0 = equal lengths and equal angles. Undefined for two classes, whose centred
        means are always opposite.

    References:
        [RU26] Table 1, NC2; [P20].
    """
    if reason := _no_simplex(view):
        return Undefined(reason)
    means, count = view.centred_means / torch.linalg.norm(view.centred_means), view.class_count
    gram = means @ means.T
    simplex = torch.eye(count, dtype=gram.dtype) - 1.0 / count
    return float(torch.linalg.norm(gram / torch.linalg.norm(gram) - simplex / (count - 1) ** 0.5))


def class_norm_variation(view: ClassView) -> float | Undefined:
    """Standard deviation over mean of the lengths of the centred class means: NC2, equal norms.

    Returns:
        ≥ 0; 0 = all of one length. Undefined as `simplex_distance`.

    References:
        [P20] Figure 2.
    """
    if reason := _no_simplex(view):
        return Undefined(reason)
    norms = torch.linalg.vector_norm(view.centred_means, dim=1)
    return float(norms.std(correction=0) / norms.mean())


def class_angle_deviation(view: ClassView) -> float | Undefined:
    """Mean over pairs of |cos(μ_a, μ_b) + 1/(C − 1)| of the centred class means: NC2, angles.

    Returns:
        In [0, 2]; 0 = all angles as wide as they can be at once. Undefined as
        `simplex_distance`, and where a class mean is the mean of them all.

    References:
        [P20] Figure 4.
    """
    if reason := _no_simplex(view):
        return Undefined(reason)
    norms = torch.linalg.vector_norm(view.centred_means, dim=1, keepdim=True)
    if float(norms.min()) == 0.0:
        return Undefined(f"class {int(norms.argmin())} has the mean of all: it has no direction")
    unit = view.centred_means / norms
    a, b = torch.triu_indices(view.class_count, view.class_count, offset=1)
    cosines = (unit @ unit.T)[a, b]
    return float((cosines + 1.0 / (view.class_count - 1)).abs().mean())


def class_weight_alignment(view: ClassView) -> float | Undefined:
    """Mean cosine of the principal angles between class means and weight: NC3 at any layer.

    Between the span of the centred class means and W's top right singular vectors, as many as the
    means span (at most C − 1) or W has.

    Returns:
        In [0, 1]; 1 = the weight reads what tells classes apart. Undefined for equal means, a zero
        weight, and where the means span the layer's width.

    References:
        [RU26] Table 1, NC3; [R23].
    """
    if reason := view.one_point or view.unseen:
        return Undefined(reason)
    layer, basis = view.layer, view.means_basis
    if layer.weight_rank == 0:
        return Undefined("the weight is 0")
    k = min(basis.shape[1], layer.weight_rank)
    if k >= layer.width:
        return Undefined(
            f"the class means span the layer's width {layer.width}: any weight reads it whole"
        )
    return float(principal_cosines(basis, layer.weight_spectrum.top(k)).mean())


def class_weight_cosine(view: ClassView) -> float | Undefined:
    """Mean cosine between each centred class mean and its row of W: NC3 at the last layer.

    Returns:
        In [−1, 1]; 1 = self-duality. Undefined at other layers, whose rows belong to no class, and
        for a class whose mean or row is 0.

    References:
        [RU26] Table 1, NC3; [P20].
    """
    if not view.is_output:
        return Undefined("only the last layer has a row of W for each class")
    if reason := view.one_point or view.unseen:
        return Undefined(reason)
    means, weight = view.centred_means, view.layer.weight
    lengths = torch.linalg.vector_norm(means, dim=1) * torch.linalg.vector_norm(weight, dim=1)
    if float(lengths.min()) == 0.0:
        return Undefined(f"class {int(lengths.argmin())} has a mean or a row of W that is 0")
    return float(((means * weight).sum(1) / lengths).mean())


def nearest_mean_agreement(view: ClassView) -> float | Undefined:
    """Share of the rows whose nearest class mean is what the network decides: NC4.

    Returns:
        In [0, 1]; 1 = collapsed. Undefined for equal means, and where the model returns no scores.

    References:
        [RU26] Table 1, NC4; [P20].
    """
    if reason := view.one_point:
        return Undefined(reason)
    if isinstance(view.agreeing, Undefined):
        return view.agreeing
    return view.agreeing / view.layer.moments.count


def _no_pairs(view: ClassView) -> str | None:
    if int(view.classes.counts.max()) < 2:
        return "no class has two samples: nothing can vary within"
    return None


def _no_simplex(view: ClassView) -> str | None:
    if view.class_count == 2:
        return "two centred class means are always opposite: it is 0 whatever the features"
    return view.one_point or view.unseen
