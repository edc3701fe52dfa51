"""Data, and the operations of forward passes by hand, in NumPy and float64."""

import numpy as np
import torch
from torch import nn

from helpers import seeded


def data(n=60, d=8, t=2, *, shape=(), seed=0):
    """Inputs n × shape × d and targets that depend on their mean, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, *shape, d))
    mean = x.reshape(n, -1, d).mean(1)
    y = mean @ rng.standard_normal((d, t)) + 0.3 * rng.standard_normal((n, t))
    return torch.from_numpy(x), torch.from_numpy(y)


def batches(x, y, size=16):
    """Pairs; the last batch is smaller."""
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(y), size)]


def made(build, seed=0):
    """A model of seeded weights in float64 and eval mode."""
    with seeded(seed):
        return build().double().eval()


def chain(build, seed=0):
    """The modules that a function lists, one after the other."""
    return made(lambda: nn.Sequential(*build()), seed)


def array(tensor):
    """A tensor's numbers."""
    return tensor.detach().cpu().double().numpy()


def matrix(layer):
    """Its weight, p × d."""
    return array(layer.weight)


def linear(layer, x):
    """W x + b."""
    bias = 0.0 if layer.bias is None else array(layer.bias)
    return x @ matrix(layer).T + bias


def relu(x):
    return np.maximum(x, 0.0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layer_norm(norm, x):
    """LayerNorm over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + norm.eps)
    return scaled * array(norm.weight) + array(norm.bias)


def batch_norm(norm, x):
    """BatchNorm of rows with its running statistics."""
    spread = np.sqrt(array(norm.running_var) + norm.eps)
    return (x - array(norm.running_mean)) / spread * array(norm.weight) + array(norm.bias)


def orthonormal(rows, columns, seed=0):
    """Orthonormal columns."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.linalg.qr(rng.standard_normal((rows, columns)))[0])
