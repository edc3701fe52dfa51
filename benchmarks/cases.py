"""The networks and loaders that are timed, and the lower bound from counting operations."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from deepnrc.models import MLP, resnet18

Batch = tuple[Tensor, Tensor]

_DISTINCT = 16  # different batches; longer loaders repeat them, so that memory stays small


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: The name that is shown and that ``--profile`` takes.
        model: The network, in evaluation mode.
        loader: Batches of (inputs, targets).
        samples: N.
        goal: The largest ratio measure/plain to be reached.
        dense: Whether the dense computation is timed on this network too.
    """

    name: str
    model: nn.Module
    loader: Iterable[Batch]
    samples: int
    goal: float
    dense: bool = False


def targets_of(teacher: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        result: Tensor = teacher(inputs)
    return result


def mlp_batches(samples: int, batch: int) -> list[Batch]:
    """N samples in batches; a ReLU network of width 2 makes the targets, of rank 2."""
    generator = torch.Generator().manual_seed(0)
    teacher = MLP(20, 4, width=2, depth=3, generator=generator)
    inputs = [torch.randn(batch, 20, generator=generator) for _ in range(_DISTINCT)]
    pairs = [(x, targets_of(teacher, x)) for x in inputs]
    full, rest = divmod(samples, batch)
    batches = [pairs[i % _DISTINCT] for i in range(full)]
    return [*batches, (pairs[0][0][:rest], pairs[0][1][:rest])] if rest else batches


@lru_cache
def mlp(width: int, *, steps: int = 0, batch: int = 128) -> MLP:
    """The paper's 8-layer network, trained for ``steps`` with weight decay, which makes units die.

    It collapses where lr · decay · steps/(1 − momentum) is at least 5: from 1000 steps on.
    """
    model = MLP(20, 4, width=width, depth=8, generator=torch.Generator().manual_seed(1))
    batches = mlp_batches(16 * batch, batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
    loss = torch.zeros(())
    for step in range(steps):
        x, y = batches[step % len(batches)]
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    if not bool(torch.isfinite(loss)):
        raise RuntimeError("the benchmark's training diverged")
    return model.eval()


def live_units(model: nn.Module, inputs: Tensor) -> dict[str, int]:
    """How many units of each linear layer's input are not 0 for every sample."""
    live: dict[str, int] = {}

    def hook(name: str) -> Callable[..., None]:
        def count(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            live[name] = int((args[0] != 0).any(0).sum())

        return count

    named = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    handles = [module.register_forward_pre_hook(hook(name)) for name, module in named]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return live


def floor(model: nn.Module, inputs: Tensor) -> float:
    """Operations of (forward + half a Gram matrix per layer)/forward, without dead units."""
    live = live_units(model, inputs)
    forward, gram = [0.0], [0.0]

    def hook(name: str) -> Callable[..., None]:
        def count(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            outputs = out.numel() / len(out)
            if isinstance(module, nn.Conv2d):
                forward[0] += 2 * outputs * module.weight[0].numel()
                gram[0] += module.in_channels**2
            elif isinstance(module, nn.Linear):
                forward[0] += 2 * module.in_features * module.out_features
                gram[0] += live[name] ** 2

        return count

    handles = [module.register_forward_hook(hook(n)) for n, module in model.named_modules()]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return (forward[0] + gram[0]) / forward[0]


def data_loader(samples: int, batch: int) -> DataLoader[Batch]:
    """The usual ``DataLoader``, which costs more than the network."""
    batches = mlp_batches(samples, batch)
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return DataLoader(TensorDataset(x, y), batch_size=batch)  # type: ignore[arg-type]


def cases(*, size: str, only: str = "") -> Iterator[Case]:
    """Yield the cases whose name contains ``only``, each made when it is asked for.

    Args:
        size: ``"quick"``, ``"normal"`` or ``"full"``.
        only: Part of a name.
    """
    narrow = {"quick": 20_000, "normal": 200_000, "full": 200_000}[size]
    wide = {"quick": 4_096, "normal": 16_384, "full": 200_000}[size]
    images = {"quick": 64, "normal": 1_024, "full": 2_048}[size]
    steps = 300 if size == "quick" else 1_000
    fresh, trained = partial(mlp, 256), partial(mlp, 256, steps=steps)
    large, large_trained = partial(mlp, 1024), partial(mlp, 1024, steps=steps, batch=64)
    lines: list[tuple[str, int, float, Callable[[], nn.Module], Callable[[], Iterable[Batch]]]] = [
        ("256 init, batch 1024", narrow, 2.0, fresh, partial(mlp_batches, narrow, 1024)),
        ("256 init, DataLoader 1024", wide, 2.0, fresh, partial(data_loader, wide, 1024)),
        ("256 trained, batch 1024", narrow, 2.0, trained, partial(mlp_batches, narrow, 1024)),
        ("1024 init, batch 1024", wide, 1.7, large, partial(mlp_batches, wide, 1024)),
        ("1024 trained, batch 1024", wide, 1.7, large_trained, partial(mlp_batches, wide, 1024)),
        ("resnet18 96x96, batch 32", images, 1.2, _resnet, partial(_images, images)),
    ]
    for number, (name, samples, goal, model, loader) in enumerate(lines):
        if only in name:
            yield Case(name, model(), loader(), samples, goal, dense=number == 0)


def _resnet() -> nn.Module:
    return resnet18(2).eval()


def _images(samples: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(32, 3, 96, 96, generator=generator)
    return [(x, torch.randn(32, 2, generator=generator))] * (samples // 32)
