"""Whether the weight and the decisions follow the class means: NC3 and NC4 of [RU26, Table 1].

[P20] is Papyan, Han and Donoho, PNAS 2020; [R23] Rangamani et al., ICML 2023.
"""

import torch

from deepnrc.linalg.angles import principal_cosines
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.view import Undefined

__all__ = [
    "class_weight_alignment",
    "class_weight_cosine",
    "nearest_mean_agreement",
]


def class_weight_alignment(view: ClassView) -> float | Undefined:
    """Mean cosine of the principal angles between class means and weight: NC3 at any layer.

    Between the span of the centred class means and W's top right singular vectors, as many as the
    means span (at most C − 1) or W has.

    Returns:
        In [0, 1]; 1 = the weight reads the directions in which classes differ. Undefined for equal
        or missing means, a zero weight, and where the means span the layer's width.

    References:
        [RU26] Table 1, NC3; [R23].
    """
    if undefined := view.equal_means or view.unseen_classes or view.layer.zero_weight:
        return undefined
    layer, basis = view.layer, view.means_basis
    k = min(basis.shape[1], layer.weight_rank)
    if k >= layer.width:
        return Undefined(
            f"the class means span the layer's width {layer.width}: any weight reads all of it"
        )
    return float(principal_cosines(basis, layer.weight_spectrum.top(k)).mean())


def class_weight_cosine(view: ClassView) -> float | Undefined:
    """Mean cosine between each centred class mean and its row of W: NC3 at the last layer.

    Returns:
        In [−1, 1]; 1 = self-duality. Undefined at other layers, whose rows belong to no class, and
        where a mean or a row of W is 0.

    References:
        [RU26] Table 1, NC3; [P20].
    """
    if not view.is_output:
        return Undefined("only the last layer has a row of W for each class")
    if undefined := view.equal_means or view.unseen_classes:
        return undefined
    means, weight = view.centered_means, view.layer.weight
    if isinstance(weight, Undefined):
        return weight
    lengths = torch.linalg.vector_norm(means, dim=1) * torch.linalg.vector_norm(weight, dim=1)
    if float(lengths.min()) == 0.0:
        return Undefined(f"class {int(lengths.argmin())} has a mean or a row of W that is 0")
    return float(((means * weight).sum(1) / lengths).mean())


def nearest_mean_agreement(view: ClassView) -> float | Undefined:
    """Share of the rows whose nearest class mean is that of the network's decision: NC4.

    Returns:
        In [0, 1]; 1 = collapsed. Undefined for equal means, and if the model returns no scores.

    References:
        [RU26] Table 1, NC4; [P20].
    """
    if undefined := view.equal_means:
        return undefined
    if isinstance(view.agreeing, Undefined):
        return view.agreeing
    return view.agreeing / view.layer.moments.count
