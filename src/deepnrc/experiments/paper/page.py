"""The page of a reproduction: claims with verdicts, figures, distances from the published curves.

Written from the runs alone, so that no number in it was typed in.
"""

from collections.abc import Mapping, Sequence

from deepnrc.experiments.paper.claims import Verdict
from deepnrc.experiments.paper.items import Product
from deepnrc.experiments.paper.published import compare
from deepnrc.experiments.paper.tables import TableFigure, markdown
from deepnrc.report.panels import PanelFigure
from deepnrc.support.text import number

__all__ = ["reproduction_page"]


def reproduction_page(
    products: Mapping[str, Product],
    verdicts: Sequence[Verdict],
    *,
    command: str,
    machine: str,
    date: str,
    figures: str,
    thresholds: str,
    options: str,
    failed: Mapping[str, str],
) -> str:
    """The page in Markdown.

    Args:
        products: Figures and tables by name.
        verdicts: Of the claims.
        command: That made the page.
        machine: It ran on.
        date: Of the day.
        figures: Folder of the figures, as seen from the page.
        thresholds: Of the diagnosis, in words.
        options: That make one figure of it, after its name.
        failed: By name, why a run or figure did not come to its end.
    """
    parts = [
        "# The papers' figures, made again",
        f"Written by `{command}` on {date} ({machine}); every number of ours comes from its runs. "
        "Lines are medians over seeds, bands their 10–90 % range; by layer the green line is the "
        "first collapsed layer of the median seed, by all four conditions. Collapsed means: "
        f"{thresholds}.",
        "## Claims",
        "A case is a run, or a pair of runs of one seed. A claim *holds* where at least 90 % of "
        "the cases agree with it, *partly* from 50 % on; the proposition only where all do.",
        markdown(
            ("claim", "cases", "verdict", "what was measured"),
            [(v.claim, str(v.cases), f"**{v.verdict}**", v.evidence) for v in verdicts],
        ),
    ]
    if failed:
        parts += ["## What failed", _list([f"{name}: {why}" for name, why in failed.items()])]
    compared = [line for p in products.values() for line in _comparisons(p)]
    if compared:
        parts += [
            "## Beside the published curves",
            "Median distance over the layers between our median seed and the published value, in "
            "decades where the axis is logarithmic; how many published values lie within the range "
            "of our seeds; rank correlation over the layers.",
            markdown(
                ("figure", "data", "quantity", "layers", "within", "distance", "correlation"),
                compared,
            ),
        ]
    for name, product in products.items():
        parts += [f"## {name}: {product.title}", f"`deepnrc reproduce {name} {options}`"]
        if isinstance(product, TableFigure):
            parts.append(markdown(product.headings, product.cells))
        else:
            parts.append(f"![{product.title}]({figures}/{name}.png)")
        parts += [_list(product.findings), "Made from:", _list(product.made_from)]
        parts.append(f"Values: [{name}.csv]({figures}/{name}.csv)")
    return "\n\n".join(part for part in parts if part) + "\n"


def _comparisons(product: Product) -> list[tuple[str, ...]]:
    if not isinstance(product, PanelFigure) or product.name == "variants":
        return []
    return [
        (
            found.figure,
            found.dataset,
            found.quantity,
            str(found.layers),
            f"{found.within} of {found.layers}",
            f"{number(found.difference)} {'decades' if found.logarithmic else ''}".strip(),
            f"{found.correlation:.2f}",
        )
        for found in compare(product)
    ]


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
