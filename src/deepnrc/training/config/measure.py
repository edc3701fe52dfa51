"""The table ``[measure]``: when and how the network is measured during training."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from deepnrc.errors import ArgumentError
from deepnrc.monitoring.schedule import log_spaced
from deepnrc.passes.options import MeasureOptions
from deepnrc.training.config.table import Table

__all__ = ["MeasureConfig"]


class MeasureConfig(Table):
    """When and how the network is measured along the way.

    Attributes:
        epochs: At these; or …
        every: … at each multiple of this and the last; or …
        log_spaced: … at so many, evenly spaced in the logarithm. None of the three: 70 log-spaced
            ones, as many as [RU26]'s runs are measured at. Epoch 0 is the untrained network.
        test: Whether the test part is measured too.
        samples: Rows of each part that are measured; None is all.
        layers: Names or globs; None is every weight layer.
        signal_rank: k of NRC1–3, or ``"targets"``; None is the target dimension.
        center: As in `deepnrc.measure`.
        intercept: As in `deepnrc.measure`.
        rcond: As in `deepnrc.measure`; 0, its None, keeps all that the moments resolve. The
            papers' experiments set 1e-3.
        last_layer: As in `deepnrc.measure`: 2024's NRC1 and NRC2 too.
    """

    epochs: list[Annotated[int, Field(ge=0)]] | None = None
    every: PositiveInt | None = None
    log_spaced: PositiveInt | None = None
    test: bool = True
    samples: PositiveInt | None = None
    layers: list[str] | None = None
    signal_rank: int | str | None = None
    center: bool = True
    intercept: bool = True
    rcond: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    last_layer: Literal["paper2024", "centred"] | None = None

    @field_validator("signal_rank")
    @classmethod
    def _rank(cls, value: int | str | None) -> int | str | None:
        try:
            MeasureOptions(signal_rank=value)
        except ArgumentError as error:
            raise ValueError(str(error).removeprefix("signal_rank ")) from error
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> "MeasureConfig":
        given = [key for key in ("epochs", "every", "log_spaced") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: keep one")
        return self

    @property
    def options(self) -> MeasureOptions:
        """How to measure, without a progress bar."""
        names = ("layers", "signal_rank", "center", "intercept", "last_layer")
        given = {name: getattr(self, name) for name in names}
        return MeasureOptions(**given, rcond=self.rcond or None, progress=False)

    def schedule(self, epochs: int) -> tuple[int, ...]:
        """The epochs to measure at, ascending, of a run of so many."""
        if self.epochs is not None:
            return tuple(sorted(set(self.epochs)))
        if self.every is not None:
            return tuple(sorted({*range(0, epochs + 1, self.every), epochs}))
        return log_spaced(epochs, self.log_spaced or 70)
