"""A command whose options are the fields of records."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from deepnrc.cli.records import from_records


@dataclass(frozen=True, kw_only=True)
class Where:
    place: Annotated[str | None, typer.Argument(help="A place.")] = None
    near: Annotated[bool, typer.Option("--near", help="Close by.")] = False


@dataclass(frozen=True, kw_only=True)
class How:
    speed: Annotated[int, typer.Option(min=1, help="Of travel.")] = 3


def test_each_field_is_an_option_and_each_record_is_filled():
    seen = []

    def go(where: Where, how: How) -> None:
        """Go there."""
        seen.append((where, how))

    app = typer.Typer()
    app.command()(from_records(go))
    runner = CliRunner()
    assert runner.invoke(app, []).exit_code == 0
    assert runner.invoke(app, ["here", "--near", "--speed", "5"]).exit_code == 0
    assert seen == [(Where(), How()), (Where(place="here", near=True), How(speed=5))]
    assert runner.invoke(app, ["--speed", "0"]).exit_code == 2
    shown = runner.invoke(app, ["--help"]).output
    assert "Go there." in shown
    assert "Close by." in shown
