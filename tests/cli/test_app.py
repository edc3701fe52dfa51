"""The command line as a whole: exit codes and version."""

import pytest
import typer
from typer.testing import CliRunner

from deepnrc import __version__
from deepnrc.cli.app import app


@pytest.mark.parametrize(
    "arguments", [["measure"], ["nonsense"], ["data", "build", "moon"], ["demo", "--seed", "-1"]]
)
def test_wrong_usage_is_exit_code_2(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"deepnrc {__version__}\n"


def test_an_interruption_says_that_the_same_command_resumes(capsys):
    from deepnrc.cli.failures import command

    @command
    def sweep():
        raise KeyboardInterrupt

    @command
    def info():
        raise KeyboardInterrupt

    for interrupted, said in (
        (sweep, "interrupted: the same command resumes where it stopped\n"),
        (info, "interrupted\n"),
    ):
        with pytest.raises(typer.Exit) as raised:
            interrupted()
        assert raised.value.exit_code == 130
        assert capsys.readouterr().err == said
