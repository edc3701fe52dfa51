"""The command line as a whole: exit codes and version."""

import pytest
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
