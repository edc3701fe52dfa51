"""Measure Deep NRC: a model and a loader in, a frozen record of every metric at every layer out."""

from typing import Any

from torch import nn

from deepnrc.passes.collect import collect_with
from deepnrc.passes.loaders import Data
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.results.evaluate import evaluate
from deepnrc.results.measurement import Measurement

__all__ = ["measure"]


@takes_options
def measure(model: nn.Module, loader: Data, **options: Any) -> Measurement:
    """Deep NRC of a model at every weight layer, in one pass over the data unless said otherwise.

    Memory is Σ(d² + d·t) over the layers, whatever the number of samples. The model runs in
    evaluation mode without gradients; afterwards its hooks, training flags, buffers, gradients and
    all random states are as before, also when this raises or is interrupted.

    Args:
        model: Any module with layers of a known kind (linear layers, convolutions, recurrent
            layers, attention, `deepnrc.register_layer`), on any device, of any real dtype.
        loader: Yields (inputs, targets), or mappings with the targets under ``labels``,
            ``targets`` or ``y``; or the data: a data set, or (X, y) of tensors, arrays or pandas
            frames, read in batches of ``batch_size``. Targets are of shape (samples,) or
            (samples, t), or with ``reduce="samples"`` (samples, positions …, t). Inputs that are
            a mapping are passed as keywords, a tuple or list as several arguments.
        options: See `MeasureOptions`.

    Returns:
        The record; ``print`` shows it as a table.

    Raises:
        ArgumentError: An argument is of the wrong kind or range, or is not known.
        LayerError: No weight layer, no match for ``layers``, or none was called.
        DataError: Empty loader, batches that are not pairs, rows and targets that do not pair up.
        NonFiniteError: NaN or infinity, with the layer or targets and the batch.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> inputs = torch.randn(100, 8)
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 2))
        >>> measurement = measure(model, [(inputs, inputs[:, :2])])
        >>> measurement["1"].width, round(measurement["1"].linear_r2, 6)
        (16, 1.0)

    References:
        [RU26] Rangamani and Unal, Deep Neural Regression Collapse, CPAL 2026, Table 1.
        [A24] Andriopoulos et al., The Prevalence of Neural Collapse in Neural Multivariate
        Regression, NeurIPS 2024.
    """
    return evaluate(collect_with(model, loader, MeasureOptions.of(options)))
