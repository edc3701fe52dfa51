"""The pages: links lead to files, and examples print what the pages say."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_within_the_project_lead_to_files(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    within = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in within if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("page", "examples"), [("theory", 20), ("layers", 10)])
def test_the_examples_of_a_page(page, examples):
    path = ROOT / f"docs/{page}.md"
    found = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert found.attempted >= examples
    assert found.failed == 0
