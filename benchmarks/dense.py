"""Baseline computed as the paper does: all features kept, N × N kernels, SVDs."""

import torch
from torch import Tensor, nn

from benchmarks.cases import Batch


def dense_twin(model: nn.Module, batches: list[Batch]) -> list[tuple[float, ...]]:
    """NRC1, NRC2, NRC3 and NRC4 of each linear layer, straight from the formulas."""
    rows = []
    for module in [m for m in model.modules() if isinstance(m, nn.Linear)]:
        features, targets = _features(model, module, batches)
        rows.append(_metrics(features.double(), targets.double(), module.weight.detach().double()))
    return rows


def _features(model: nn.Module, module: nn.Module, batches: list[Batch]) -> tuple[Tensor, Tensor]:
    kept: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    with torch.no_grad():
        for x, _ in batches:
            model(x)
    handle.remove()
    return torch.cat(kept), torch.cat([y for _, y in batches])


def _metrics(h: Tensor, y: Tensor, weight: Tensor) -> tuple[float, ...]:
    k = y.shape[1]
    centered, y_centered = h - h.mean(0), y - y.mean(0)
    _, values, vectors = torch.linalg.svd(centered, full_matrices=False)
    noise = float(values[k:].square().sum() / values.square().sum())
    basis = vectors[:k].T
    signal = centered @ basis
    kernel, target_kernel = _double_centered(signal @ signal.T), _double_centered(y @ y.T)
    cka = float((kernel * target_kernel).sum() / (kernel.norm() * target_kernel.norm()))
    read = torch.linalg.svd(weight, full_matrices=False)[2][:k].T
    aligned = float(torch.linalg.svdvals(basis.T @ read).mean())
    fit = centered @ (torch.linalg.pinv(centered, rtol=1e-3) @ y_centered)
    return noise, cka, aligned, float((fit - y_centered).square().mean())


def _double_centered(kernel: Tensor) -> Tensor:
    n = len(kernel)
    centering = torch.eye(n, dtype=kernel.dtype) - 1.0 / n
    return centering @ kernel @ centering
