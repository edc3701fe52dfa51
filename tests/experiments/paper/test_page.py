"""The page: nothing typed in, every figure linked, every claim judged."""

import re
from pathlib import Path

from deepnrc.experiments.paper.catalog import all_claims, find_figures
from deepnrc.experiments.paper.claim import judge
from deepnrc.experiments.paper.page import reproduction_page


def test_the_page_has_claims_figures_tables_and_distances(groups):
    figures = find_figures(["fig2", "table2", "collapse-map", "variants"])
    products = {name: figure.make(groups) for name, figure in figures.items()}
    page = reproduction_page(
        products,
        judge(all_claims(), groups),
        command="deepnrc reproduce all --scale cpu",
        machine="2 cores",
        date="2026-01-02",
        figures="cpu",
        thresholds="NRC1 ≤ 0.1",
        options="--scale cpu",
        failed={"hopper,seed=3": "the loss is not finite"},
    )
    assert page.startswith("# The papers' figures, reproduced\n\nWritten by `deepnrc reproduce all")
    assert "on 2026-01-02 (2 cores)" in page
    assert "![Deep NRC on imitation data: Swimmer and Hopper](cpu/fig2.png)" in page
    assert "`deepnrc reproduce fig2 --scale cpu`" in page
    assert re.search(
        r"\| fig2 \| \w+ \| NRC1 noise component \| 8 \| \d of 8 \| [\d.]+ decades", page
    )
    assert "| variants |" not in page  # its curves are not meant to be the paper's
    assert "## What failed\n\n- hopper,seed=3: the loss is not finite\n" in page
    assert "Collapsed means: NRC1 ≤ 0.1." in page
    assert "| Collapse occurs below the last layer. |" in page
    assert "| swimmer | paper | 8 | 2 | 1,000 | MLP, 8 × 256 | 0.1 | 0.005 | 1,000 | 128 |" in page
    assert "nan" not in page.split("## Comparison")[0]


def test_the_committed_page_has_every_figure_and_claim():
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "reproduction.md").read_text()
    for name in find_figures(["all"]):
        assert f"\n## {name}: " in page
    links = re.findall(r"\]\((reproduction/[^)]+)\)", page)
    assert (
        len(links) >= 2 * len(find_figures(["all"])) - 2
    )  # a picture and values; tables have no picture
    assert [link for link in links if not (docs / link).is_file()] == []
    for claim in all_claims():
        assert f"| {claim.text} |" in page
