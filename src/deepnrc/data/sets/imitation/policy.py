"""A trained expert reduced to what it needs to act: a small tanh network in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Policy"]

CLIP = 10.0  # normalized observations are clipped here, as in training (VecNormalize's default)


@dataclass(frozen=True, eq=False)
class Policy:
    """From state to action: normalize, tanh layers, a linear layer, clip to [-1, 1].

    It is nonlinear in the state through the tanh layers and where an action is clipped. Computed in
    float64 by NumPy alone, one state at a time, so the same state gives bit-identical actions
    regardless of threads and other libraries.

    Attributes:
        mean: (d,), subtracted from the state.
        scale: (d,), positive; the difference is divided by it.
        weights: (out, in) of each layer, first to last.
        biases: (out,) of each layer.
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    weights: tuple[npt.NDArray[np.float64], ...]
    biases: tuple[npt.NDArray[np.float64], ...]

    def __call__(self, state: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The clipped action (t,) for a state (d,)."""
        values = np.clip((state.astype(np.float64) - self.mean) / self.scale, -CLIP, CLIP)
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            values = np.tanh(weight @ values + bias)
        weight, bias = last
        return np.clip(weight @ values + bias, -1, 1).astype(np.float32)

    def to_tensors(self) -> dict[str, Tensor]:
        """All arrays by name, for a file of tensors."""
        arrays = {"mean": self.mean, "scale": self.scale}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight{layer}": weight, f"bias{layer}": bias}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor]) -> "Policy":
        """The policy whose `to_tensors` gave these tensors, bit for bit."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        layers = range(sum(name.startswith("weight") for name in arrays))
        return Policy(
            mean=arrays["mean"],
            scale=arrays["scale"],
            weights=tuple(arrays[f"weight{layer}"] for layer in layers),
            biases=tuple(arrays[f"bias{layer}"] for layer in layers),
        )
