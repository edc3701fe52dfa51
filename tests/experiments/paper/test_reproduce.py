"""Everything at the smallest scale, from nothing: minutes."""

import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from deepnrc.cli.app import app
from deepnrc.experiments.paper.catalog import find_figures


@pytest.mark.slow
def test_all_at_smoke_scale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["reproduce", "all", "--together", "4"])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "reproduction" / "smoke" / "all"
    names = list(find_figures(["all"]))
    for name in names:
        assert (folder / f"{name}.csv").stat().st_size > 0
        kind = "md" if name.startswith("table") else "png"
        assert (folder / f"{name}.{kind}").stat().st_size > 0
    page = (folder.parent / "all.md").read_text()
    links = re.findall(r"\]\((all/[^)]+)\)", page)
    assert len(links) >= len(names)
    assert all((folder.parent / link).is_file() for link in links)
    assert "| Low-rank targets show their true rank. | 4 | **" in page
    values = pd.concat(
        pd.read_csv(folder / f"{name}.csv") for name in names if not name.startswith("table")
    )
    assert values["value"].notna().mean() > 0.9
