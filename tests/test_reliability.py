"""The fault campaign: each promise holds at every try; those of seconds here, the others slow."""

import re
from pathlib import Path

import pytest

from faults.__main__ import END, HEAD, START, row
from faults.promise import Tries
from faults.promises import PROMISES

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
QUICK = {"building", "fsync", "hostile", "locks"}


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[] if x in QUICK else [pytest.mark.slow]) for x in PROMISES]
)
@pytest.mark.filterwarnings("ignore::deepnrc.errors.DeepNRCWarning")
def test_the_promise_holds(name, tmp_path):
    tries = PROMISES[name].run(tmp_path)
    assert tries.failures == []
    assert tries.count >= PROMISES[name].least


def test_a_row_of_the_table():
    tries = Tries()
    tries.add("named")
    tries.add("raw error", "it broke")
    text = row(PROMISES["fsync"], tries)
    assert text.startswith(
        "| Without fsync a run trains | fsync of files and folders answers EINVAL"
    )
    assert text.endswith(" | 2 | named 1, raw error 1 | 1 |\n")


def test_the_page_has_every_promise_without_a_failure():
    table = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    assert table.startswith(HEAD)
    rows = re.findall(r"^\| (.+?) \|.*\| ([\d,]+) \| [^|]+ \| (\d+) \|$", table, re.MULTILINE)
    assert [name for name, _, _ in rows] == [one.promise for one in PROMISES.values()]
    for (_, count, failures), one in zip(rows, PROMISES.values(), strict=True):
        assert int(count.replace(",", "")) >= one.least
        assert failures == "0"
