"""Measure Deep NRC: a model and a loader in, a frozen record of every metric at every layer out."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from deepnrc.activations.batches import Forward, Unpack
from deepnrc.activations.layers import LayerSelector
from deepnrc.activations.rows import Reduce
from deepnrc.passes.collect import collect
from deepnrc.results.evaluate import check_settings, evaluate
from deepnrc.results.measurement import Measurement

__all__ = ["evaluate", "measure"]


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: LayerSelector = None,
    reduce: Reduce = "mean",
    signal_rank: int | str | None = None,
    center: bool = True,
    intercept: bool = True,
    rtol: float = 1e-3,
    task: str = "regression",
    classes: int | None = None,
    last_layer: str | None = None,
    forward: Forward | None = None,
    unpack: Unpack | None = None,
    device: torch.device | str | None = None,
    precision: str = "mixed",
    progress: bool = True,
) -> Measurement:
    """Deep NRC of a model at every weight layer, in one pass over the data unless said otherwise.

    Memory is Σ(d² + d·t) over the layers, whatever the number of samples. The model runs in
    evaluation mode without gradients; afterwards its hooks, training flags, buffers, gradients and
    all random states are as before, also when this raises or is interrupted.

    Args:
        model: Any module with linear layers or convolutions, on any device, of any real dtype.
        loader: Yields (inputs, targets); targets of shape (samples,) or (samples, t), or with
            ``reduce="samples"`` (samples, positions …, t). Inputs that are a mapping are passed as
            keywords, a tuple or list as several arguments.
        layers: Which layers: names or globs (``"encoder.*"``), module types, predicates of
            (name, module), or a list of these. None: all.
        reduce: How positions (tokens, pixels) become rows: ``"mean"``; ``"first"``, ``"last"`` or
            a number for one token; ``"samples"`` for each position a sample of its own; or a
            function of (layer name, activation).
        signal_rank: k, the dimension of the signal subspace in NRC1–3. None: the target dimension,
            and C − 1 for C classes, whose centred one-hot rows have that rank. ``"targets"``: the
            directions that hold 99 % of the targets' variance, for targets of low rank, whose
            missing directions features and weights cannot share.
        center: False takes the uncentred second moment in NRC1 and NRC3: for networks without
            biases on targets whose mean is not 0, where the mean carries signal.
        intercept: False predicts without an intercept in NRC4: what a network without biases can
            do.
        rtol: Singular values of the features below this share of the largest are dropped in NRC4;
            the least that takes effect is √(4·d·eps), 5e-7 at a width of 256.
        task: ``"classification"`` takes labels (whole numbers) or one-hot rows as targets and adds
            neural collapse, NC1–4, at every layer, in a second pass over the data.
        classes: C, for labels of a model that does not return one score a class. None: as many as
            one-hot rows have columns, else as the model returns scores: the first batch then runs
            once more.
        last_layer: Also measure [A24]'s NRC1 and NRC2 (of 2024) at the last layer: with
            ``"paper2024"`` on the rows as they are; with ``"centred"`` less their mean, in a second
            pass. Its NRC3 and R² by target are always there.
        forward: (model, inputs) → predictions, for models that are not ``model(x)``.
        unpack: batch → (inputs, targets), for loaders that do not yield pairs.
        device: Where inputs go; None: the model's own device. The model is never moved.
        precision: ``"mixed"`` sums wide float32 features by deflation (NRC1 right to 1 % down to
            1e-9, other values to about 1e-7); ``"double"`` sums all in float64, at a third more
            time. float64 features are always summed in float64.
        progress: Show plan and bar when standard error is a terminal.

    Returns:
        The record; ``print`` shows it as a table.

    Raises:
        ArgumentError: An argument is of the wrong kind or range.
        LayerError: No weight layer, no match for ``layers``, or none was called.
        DataError: Empty loader, batches that are no pairs, rows and targets that do not pair up.
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
    check_settings(signal_rank, rtol)
    collection = collect(
        model,
        loader,
        layers=layers,
        reduce=reduce,
        task=task,
        classes=classes,
        last_layer=last_layer,
        forward=forward,
        unpack=unpack,
        device=device,
        precision=precision,
        progress=progress,
    )
    return evaluate(
        collection, signal_rank=signal_rank, center=center, intercept=intercept, rtol=rtol
    )
