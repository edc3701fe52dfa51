"""What a run over the data feeds: one pass, or one for each head of several targets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deepnrc.activations.evidence.gather import BatchEvidence
from deepnrc.activations.kinds.part import Entering
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import Masks
from deepnrc.activations.outputs import select_output
from deepnrc.activations.rows import Rows
from deepnrc.errors import ArgumentError, DataError
from deepnrc.passes.head_options import HeadOptions
from deepnrc.passes.heads import HeadOutputs, heads_of, listed, naming_head, samples_of
from deepnrc.passes.reading import Reading, Shown, choose_reading
from deepnrc.passes.single_pass import Pass
from deepnrc.support.undefined import Undefined

__all__ = ["Feed"]


class Feed:
    """Hands the batches of a run to a pass for each head.

    The targets of a model with a single output are one head, of the name ``""``.

    Attributes:
        passes: By the name of the head; started when the first batch shows the heads.

    Args:
        start: Makes the pass of a head; None where it needs none.
        options: Of each head; that of a single target names its ``output``.
        heads: Which output is that of each of several targets; None: several are refused.
        single: Whether a single target is taken.
    """

    def __init__(
        self,
        start: Callable[[str], Pass | None],
        options: HeadOptions,
        heads: HeadOutputs | None = None,
        *,
        single: bool = True,
    ) -> None:
        self._start, self._options, self._heads = start, options, heads
        self._single = single
        self._names: tuple[str, ...] | None = None
        self.passes: dict[str, Pass] = {}
        self.batches = 0

    def targets(self, given: Any, samples: int | None) -> dict[str, Any]:
        """A batch's targets by head.

        Args:
            given: By the loader.
            samples: In the inputs, where known.

        Raises:
            ArgumentError: ``outputs=`` names something else than the heads, or ``output=`` is
                given for several.
            DataError: There are several targets where one is wanted, one where several are, or
                other heads than before.
        """
        heads = heads_of(given, samples)
        if heads is None:
            if not self._single:
                raise DataError(
                    "targets must be a mapping {head: targets} or a tuple of them; got a "
                    f"{type(given).__name__} for batch {self.batches}: pass "
                    "unpack=lambda batch: (inputs, {'mean': …, 'value': …}), or measure a single "
                    "target with deepnrc.measure"
                )
            if self._heads is not None and self._heads.names:
                raise ArgumentError(
                    f"outputs names the heads {listed(self._heads.names)}, but the targets of "
                    f"batch {self.batches} are a single {type(given).__name__}: pass output= "
                    "instead, or yield a mapping {head: targets}"
                )
            heads = {"": given}
        elif self._heads is None:
            outputs = ", ".join(f"{name!r}: …" for name in heads)
            raise DataError(
                f"targets of batch {self.batches} are those of {len(heads)} heads, "
                f"{listed(heads)}: measure each with deepnrc.measure_heads(model, loader, "
                f"outputs={{{outputs}}}), where outputs= says which of the model's outputs is "
                "whose (leave it out where they have the same names or positions), or pick one "
                "with unpack= and output="
            )
        self._check(heads)
        if heads.keys() != {""}:
            samples_of(heads)
        return heads

    def _check(self, heads: Mapping[str, Any]) -> None:
        if self._names is None:
            if self._heads is not None and heads.keys() != {""}:
                if self._options.common.output is not None:
                    raise ArgumentError(
                        f"output={self._options.common.output!r} names the output of a single "
                        f"target, but there are the heads {listed(heads)}: pass outputs={{head: "
                        "key, index, attribute or function}"
                    )
                self._heads.check(heads)
                self._options.check(heads)
            self._names = tuple(heads)
            started = {name: self._start(name) for name in heads}
            self.passes = {name: one for name, one in started.items() if one is not None}
        elif set(heads) != set(self._names):
            raise DataError(
                f"targets of batch {self.batches} have the heads {listed(heads)}; the batches "
                f"before had {listed(self._names)}: yield the same heads in every batch"
            )

    def predictions(self, returned: Any, targets: Mapping[str, Any]) -> dict[str, Any]:
        """What a model returned, by head."""
        if self._heads is None or targets.keys() == {""}:
            return {"": select_output(self._options.common.output, returned)}
        return self._heads.of(returned, targets)

    def readings(
        self, targets: Mapping[str, Any], shown: Callable[[str], Shown]
    ) -> dict[str, Reading]:
        """How the targets of each head are read, by what is shown of it."""
        return {head: self._reading(head, given, shown) for head, given in targets.items()}

    def _reading(self, head: str, given: Any, shown: Callable[[str], Shown]) -> Reading:
        with naming_head(head):
            options = self._options.of(head)
            return choose_reading(
                tuple(np.shape(given)),
                shown(head),
                axis=options.target_dim_axis,
                labels=options.task == "classification",
                samples=options.reduce == "samples",
            )

    def start_batch(
        self,
        targets: Mapping[str, Any],
        masks: Masks,
        evidence: BatchEvidence | None,
        readings: Mapping[str, Reading],
    ) -> None:
        """Take in the targets of a batch, before the model runs."""
        for name, one in self.passes.items():
            given, reading = targets[name], readings.get(name)
            with naming_head(name):
                if one.targets.needs_classes and evidence is not None:
                    one.targets.find_classes(given, evidence.predictions[name], reading)
                one.applied = {} if evidence is None else evidence.applied
                one.start_batch(given, masks, reading)
        self.batches += 1

    def wants(self, key: str) -> bool:
        """Whether a pass sums what a layer is given."""
        return any(one.wants(key) for one in self.passes.values())

    def take(
        self, key: str, layer: WeightLayer, entering: Entering, rows: Rows | Undefined
    ) -> None:
        """Take in the rows of a call of a layer."""
        for name, one in self.passes.items():
            if one.wants(key):
                with naming_head(name):
                    one.take(key, layer, entering, rows)

    def end_batch(self, predictions: Mapping[str, Any]) -> None:
        """Take in a batch's predictions, after the model ran."""
        for name, one in self.passes.items():
            with naming_head(name):
                one.end_batch(predictions[name])
