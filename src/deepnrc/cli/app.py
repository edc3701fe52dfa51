"""The ``deepnrc`` command and its global options."""

from typing import Annotated

import typer

from deepnrc._version import __version__
from deepnrc.cli import check, data, demo, measure, reproduce, sweep, theory, train
from deepnrc.cli.encoding import print_anywhere
from deepnrc.cli.failures import set_debug

__all__ = ["app", "main"]

app = typer.Typer(
    help="Measure Deep Neural Regression Collapse at every layer of any regression network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("measure")(measure.measure)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.command("check")(check.check)
app.command("reproduce")(reproduce.reproduce)
app.add_typer(data.app, name="data")
app.add_typer(theory.app, name="theory")


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"deepnrc {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Global options, before the command."""
    set_debug(debug)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 the run failed, 2 wrong usage, 130 interrupted."""
    print_anywhere()
    app()
