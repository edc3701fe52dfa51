"""A step of an ensemble recorded as a CUDA graph."""

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

__all__ = ["GraphedStep"]

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class GraphedStep:
    """Replays a step on a GPU as one CUDA graph for each shape of batch.

    Args:
        changed: Every tensor that a step changes; they are restored after the warm-up steps.
    """

    def __init__(self, changed: Sequence[Tensor]) -> None:
        self._changed = changed
        self._graphs: dict[
            Hashable, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], tuple[Tensor, ...]]
        ] = {}

    def run(
        self, step: Step, inputs: Tensor, targets: Tensor, *, key: Hashable
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The results of a step, recorded once for each shape of batch and each key.

        Args:
            step: (inputs, targets) → (losses, predictions, norms).
            inputs: B × members × d.
            targets: B × members × t.
            key: What the step depends on besides its batch.
        """
        key = (key, inputs.shape)
        if key not in self._graphs:
            self._graphs[key] = self._record(step, inputs, targets)
        graph, places, results = self._graphs[key]
        for place, value in zip(places, (inputs, targets), strict=True):
            place.copy_(value)
        graph.replay()
        losses, predictions, norms = (result.clone() for result in results)
        return losses, predictions, norms

    def _record(
        self, step: Step, inputs: Tensor, targets: Tensor
    ) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], tuple[Tensor, ...]]:
        places = (inputs.clone(), targets.clone())
        before = [tensor.detach().clone() for tensor in self._changed]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it so
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries allocate and choose their kernels in the first calls
                step(*places)
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(self._changed, before, strict=True):
                tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = step(*places)
        return graph, places, results
