"""The table of all runs on a terminal, and the lines in a pipe."""

import io
import re

from rich.console import Console

from deepnrc.cli.live_table import LiveTable, _table
from deepnrc.training.config.file import parse_config
from deepnrc.training.sweeps.expand import Member
from deepnrc.training.sweeps.sweep import MemberStatus
from helpers import small_run

SMALL = small_run(2)


def status(name, state, epoch=0, loss=None):
    config = parse_config(SMALL, source="small", name="small")
    return MemberStatus(Member(name, config, {}), state, epoch, loss)


STATUSES = [
    status("names=[red]_seed=0", "done", 2, 0.125),
    status("b", "running", 1, 0.25),
    status("c", "waiting"),
    status("d", "failed"),
    status("e", "done before", 2),
]


def shown(rows):
    console = Console(file=io.StringIO(), width=80)
    console.print(_table(STATUSES, rows))
    return console.file.getvalue()


def test_the_live_table_holds_all_runs():
    text = shown(10)
    assert "1 running, 1 failed, 1 waiting, 1 done, 1 done before" in text
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in text.splitlines() if "│" in line]
    assert rows == [
        ["names=[red]_seed=0", "2/2", "1.250e-01", "done"],
        ["b", "1/2", "2.500e-01", "running"],
        ["c", "0/2", "", "waiting"],
        ["d", "0/2", "", "failed"],
        ["e", "2/2", "", "done before"],
    ]


def test_where_not_all_fit_those_under_way_come_first():
    text = shown(2)
    assert "│ b " in text
    assert "│ d " in text
    assert "│ c " not in text
    assert "1 waiting" in text


def test_in_a_pipe_each_run_that_ends_is_one_line(capsys):
    with LiveTable() as lines:
        lines.show(STATUSES[:3])
        lines.show(STATUSES)
        lines.show(STATUSES)
    assert capsys.readouterr().out.splitlines() == [
        "   1/3  names=[red]_seed=0: done after 2 epochs, loss 1.250e-01",
        "   2/5  d: failed after 0 epochs",
        "   3/5  e: done before after 2 epochs",
    ]
