"""The table ``[data]``: which data set, and how it is split."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt

from deepnrc.training.config.table import Share, Table

__all__ = ["DataConfig"]


class DataConfig(Table):
    """The data set: arguments of `deepnrc.data.load`.

    Attributes:
        name: As ``deepnrc data list`` shows it.
        path: The original files; None for a data set that is made or built on this machine.
        samples: Number of rows; None is the data set's own.
        seed: Of a data set that is made or built.
        split_seed: Of the split into training and test part.
        test_fraction: Share of the rows in the test part.
        standardize: Whether columns are scaled by the training part; None is the data set's
            default.
        options: Options of this data set alone, such as a teacher's ``rank``.
    """

    name: str
    path: str | None = None
    samples: Annotated[int, Field(ge=2)] | None = None
    seed: NonNegativeInt = 0
    split_seed: NonNegativeInt = 42
    test_fraction: Share = 0.2
    standardize: bool | None = None
    options: dict[str, Any] = Field(default_factory=dict)
