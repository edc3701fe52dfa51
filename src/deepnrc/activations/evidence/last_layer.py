"""Whether a layer's output is the model's prediction."""

import torch
from torch import Tensor

from deepnrc.activations.rows import Rows

__all__ = ["gives_predictions"]


def gives_predictions(
    weight: Tensor, bias: Tensor | None, rows: Rows, predictions: Tensor, weight_eps: float
) -> bool:
    """Whether W h + b is the prediction for each row, or for one position of each sample.

    Args:
        weight: W, p × d, float64.
        bias: b; None: 0.
        rows: Of a batch.
        predictions: For it, n × p, float64.
        weight_eps: Relative rounding of the weight.
    """
    if not len(predictions):
        return False
    given = rows.values.double().cpu() @ weight.T + (0.0 if bias is None else bias)
    positions, rest = divmod(len(given), len(predictions))
    if rest or (positions > 1 and rows.positions is None):
        return False
    # Products in another order round otherwise; in bfloat16 to a percent of the largest.
    eps = max(torch.finfo(rows.values.dtype).eps, weight_eps)
    limit = 100 * eps * float(predictions.abs().max())
    far = (given.unflatten(0, (-1, positions)) - predictions[:, None]).abs()  # type: ignore[no-untyped-call]
    return bool((far.amax((0, 2)) <= limit).any())
