"""Whether a layer's output is the model's prediction."""

import torch
from torch import Tensor

from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.rows import Rows

__all__ = ["gives_predictions"]


def gives_predictions(layer: WeightLayer, weight: Tensor, rows: Rows, predictions: Tensor) -> bool:
    """Whether W h + b is the prediction for each row, or for one position of each sample.

    Args:
        layer: Whose bias is added.
        weight: W, p × d, float64.
        rows: Of a batch.
        predictions: For it, n × p, float64.
    """
    if not len(predictions):
        return False
    bias = 0.0 if layer.bias is None else layer.bias
    given = rows.values.double().cpu() @ weight.T + bias
    positions, rest = divmod(len(given), len(predictions))
    if rest or (positions > 1 and rows.positions is None):
        return False
    # Products in another order round otherwise; in bfloat16 to a percent of the largest.
    eps = max(torch.finfo(rows.values.dtype).eps, torch.finfo(layer.weight_dtype).eps)
    limit = 100 * eps * float(predictions.abs().max())
    far = (given.unflatten(0, (-1, positions)) - predictions[:, None]).abs()  # type: ignore[no-untyped-call]
    return bool((far.amax((0, 2)) <= limit).any())
