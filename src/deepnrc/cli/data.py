"""``deepnrc data``: build data sets on this machine."""

from enum import StrEnum
from typing import Annotated

import typer

from deepnrc.cli.failures import command

__all__ = ["app"]

app = typer.Typer(help="Build data sets on this machine.", no_args_is_help=True)


class Buildable(StrEnum):
    """Data sets that can be built."""

    REACHER = "reacher"


@app.callback()
def _group() -> None:
    """Build data sets on this machine."""


@app.command()
@command
def build(
    name: Annotated[Buildable, typer.Argument(help="Which data set.")],
    samples: Annotated[int, typer.Option(min=1, help="(State, action) pairs.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the episodes.")] = 0,
) -> None:
    """Step MuJoCo's Reacher with a scripted expert and store its (state, action) pairs."""
    from deepnrc.data.imitation import build_reacher, save_reacher  # noqa: PLC0415

    data = build_reacher(samples, seed=seed)
    path = save_reacher(data)
    facts = data.provenance
    print(
        f"{name.value}: {samples} pairs of {data.inputs.shape[1]} observations and "
        f"{data.targets.shape[1]} actions, {facts['environment']} (gymnasium "
        f"{facts['gymnasium']}, MuJoCo {facts['mujoco']}), {facts['episodes']} episodes, mean "
        f"return {facts['mean_return']:.2f}\nWritten: {path}"
    )
