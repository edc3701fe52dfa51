"""Options that several commands share."""

from typing import Annotated

import typer

__all__ = ["ExperimentName", "Settings"]

ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="A named experiment, such as hopper or synthetic, or a file that ends in .toml.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Such as training.weight_decay=1e-3; repeatable."
    ),
]
