"""What all tables of an experiment file have in common: unknown keys and other types are errors."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Share", "Table"]

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
"""A share between 0 and 1, both excluded."""


class Table(BaseModel):
    """Strict, so that ``epochs = "10"`` is an error and not 10; whole numbers pass as floats."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )
