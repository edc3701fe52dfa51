"""What enters each layer when every sample runs alone: no axis can be taken for another's.

A network without dependence between samples (in eval mode) gives each sample what it gives it in
any batch. With one sample at a time all rows that enter a layer are rows of that sample.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from architectures.case import Known
from architectures.check import matrix_of
from reference.subspace import conv_weight_matrix

CONVOLUTIONS = {
    nn.Conv1d: 1,
    nn.Conv2d: 2,
    nn.Conv3d: 3,
    nn.ConvTranspose1d: 1,
    nn.ConvTranspose2d: 2,
    nn.ConvTranspose3d: 3,
}


@dataclass
class Alone:
    """Inputs of each layer, by name, sample and call; predictions of each sample."""

    inputs: dict
    predictions: list
    called: list  # names in the order of their first call

    def known(self, name, module, reduce="mean", *, matrix=None, kept=None, role="path", call=None):
        """The rows of a layer, a call of a sample each (or a position each), and its matrix.

        ``kept``: positions of each sample that count, by sample; None: all. ``call``: the number
        of the only call that is meant.
        """
        if name not in self.called:
            return Known(role="uncalled")
        rows, owners = [], []
        for sample, calls in enumerate(self.inputs[name]):
            for given in calls if call is None else calls[call : call + 1]:
                positions = flat(given, module)
                if kept is not None and len(positions) == len(kept[sample]):
                    positions = positions[kept[sample]]
                chosen = reduced(positions, reduce, spatial=spatial_axes(module) > 0)
                rows.append(chosen)
                owners += [sample] * len(chosen)
        matrix = matrix_of_module(module) if matrix is None else matrix
        return Known(np.concatenate(rows), matrix, np.array(owners), role=role)


def alone(model, samples, forward, modules):
    """Run ``forward(model, sample)`` for each sample and record what enters the modules."""
    inputs = {name: [[] for _ in samples] for name in modules}
    handles, predictions, called, number = [], [], [], 0

    def recorder(name):
        def record(module, args, kwargs):
            given = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
            inputs[name][number].append(given[0].detach().double().numpy().copy())
            if name not in called:
                called.append(name)

        return record

    for name, module in modules.items():
        handles.append(module.register_forward_pre_hook(recorder(name), with_kwargs=True))
    with torch.no_grad():
        for number, sample in enumerate(samples):  # noqa: B007  # the recorders read it
            predictions.append(forward(model, sample).detach().double().numpy())
    for handle in handles:
        handle.remove()
    return Alone(inputs, predictions, called)


def spatial_axes(module):
    """Spatial axes of a convolution; 0 for others."""
    return next((axes for kind, axes in CONVOLUTIONS.items() if isinstance(module, kind)), 0)


def flat(given, module):
    """Positions × features of what enters a layer for one sample."""
    features = np.moveaxis(given, given.ndim - 1 - spatial_axes(module), -1)
    return features.reshape(-1, features.shape[-1])


def reduced(positions, reduce, *, spatial):
    """The rows of one sample by a rule."""
    if reduce == "samples" or len(positions) == 1:
        return positions
    if reduce == "mean" or spatial:
        return positions.mean(0)[None]
    return positions[[{"first": 0, "last": -1}.get(reduce, reduce)]]


def matrix_of_module(module):
    """What a linear layer or a convolution applies, p × d."""
    if spatial_axes(module):
        transposed = isinstance(
            module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
        )
        return conv_weight_matrix(module.weight.detach().numpy(), module.groups, transposed)
    return matrix_of(module)
