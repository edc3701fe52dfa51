"""The table ``[data]``: which data set, and how it is split."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt

from deepnrc.data.tables.options import READING
from deepnrc.errors import ArgumentError
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
        sep: What separates the fields of a table of text; this and the keys below are options of
            the set ``tabular``, and None is what its file's ending says.
        decimal: ``"."`` or ``","``.
        encoding: Of a table of text.
        header: Names of the columns where the file has none.
        index: Columns to leave out: names, or numbers from 0.
        na_values: Further texts and numbers for a missing value.
        missing: ``"refuse"`` or ``"drop"`` rows with missing values.
        booleans: Whether true and false are read as 1 and 0.
        empty_lines: ``"refuse"`` or ``"skip"`` empty lines between rows.
        member: The table in a .zip.
    """

    name: str
    path: str | None = None
    samples: Annotated[int, Field(ge=2)] | None = None
    seed: NonNegativeInt = 0
    split_seed: NonNegativeInt = 42
    test_fraction: Share = 0.2
    standardize: bool | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: list[str] | None = None
    index: str | int | list[str | int] | None = None
    na_values: str | float | list[str | float] | None = None
    missing: str | None = None
    booleans: bool | None = None
    empty_lines: str | None = None
    member: str | None = None

    def of_set(self) -> dict[str, Any]:
        """All options of this data set alone.

        Raises:
            ArgumentError: A key of the table is given in ``options`` too.
        """
        given = {name: value for name in READING if (value := getattr(self, name)) is not None}
        twice = sorted(given.keys() & self.options.keys())
        if twice:
            raise ArgumentError(
                f"data.{twice[0]} must be given once; got it in data.options too: remove one"
            )
        return self.options | given
