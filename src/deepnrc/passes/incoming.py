"""What enters the layers in the batch at hand, as rows that know their samples."""

from collections import Counter
from typing import Any

from deepnrc.activations.kinds.part import Entering
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import Masks
from deepnrc.activations.rows import Rows
from deepnrc.passes.pairing import Pairing
from deepnrc.support.undefined import Undefined

__all__ = ["Incoming"]


class Incoming:
    """Rows of the layers' calls in one batch.

    Args:
        pairing: Of rows with samples.
        calls: ``"pooled"`` or ``"separate"``.
        samples: In the batch.
        batch: As the loader gave it, for reduction functions.
        masks: Of the batch.
    """

    def __init__(
        self, pairing: Pairing, calls: str, samples: int, batch: Any, masks: Masks
    ) -> None:
        self._pairing, self._rule = pairing, calls
        self._samples, self._batch, self._masks = samples, batch, masks
        self._calls: Counter[str] = Counter()

    def call(self, name: str, entering: Entering) -> tuple[int, str]:
        """Number of the call of a layer that begins now, and under which name it is summed."""
        number = self._calls[name]
        self._calls[name] += 1
        self._pairing.note(name, number, entering)
        return number, self._pairing.key(name, number, self._rule)

    def rows(self, layer: WeightLayer, entering: Entering, call: int) -> Rows | Undefined:
        """Rows of a call, or why it has none."""
        return self._pairing.rows(
            layer,
            entering,
            call,
            samples=self._samples,
            batch=self._batch,
            masks=self._masks,
        )
