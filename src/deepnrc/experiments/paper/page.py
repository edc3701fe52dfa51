"""The page of a reproduction: claims with verdicts, figures, distances from the published curves.

It is written from the runs alone, so that no number in it was typed in.
"""

from collections.abc import Mapping, Sequence

from deepnrc.experiments.paper.claim import Verdict
from deepnrc.experiments.paper.comparison import compare
from deepnrc.experiments.paper.figure import Product
from deepnrc.experiments.paper.products import markdown
from deepnrc.report.panels import PanelGrid
from deepnrc.support.text import Table, number

__all__ = ["reproduction_page"]

_COMPARED = ("figure", "data", "quantity", "layers", "within", "distance", "correlation")


def reproduction_page(
    products: Mapping[str, Product],
    verdicts: Sequence[Verdict],
    *,
    command: str,
    options: str,
    machine: str,
    date: str,
    thresholds: str,
    figures: str,
    failed: Mapping[str, str],
) -> str:
    """The page in Markdown.

    Args:
        products: Figures and tables by name.
        verdicts: The verdicts on the claims.
        command: The command that made the page.
        options: Those of its options that reproduce a single figure.
        machine: The machine that it ran on.
        date: The day, as YYYY-MM-DD.
        thresholds: The thresholds of the diagnosis, in words.
        figures: The folder of the figures, as seen from the page.
        failed: By name of a run or figure, why it failed.
    """
    parts = [
        "# The papers' figures, reproduced",
        f"Written by `{command}` on {date} ({machine}); all numbers of ours come from its runs. "
        "Lines are medians over seeds, bands their 10–90 % range. In figures by layer, the green "
        "line is the first layer that is collapsed by all four conditions, in the median seed. "
        f"Collapsed means: {thresholds}.",
        "## Claims",
        "A case is a run, or a pair of runs with the same seed. A claim *holds* if at least 90 % "
        "of the cases agree with it, and *holds partly* from 50 % on; the proposition holds only "
        "if all cases agree. A claim without cases is *open*.",
        markdown(
            ("claim", "cases", "verdict", "what was measured"),
            [(v.claim, str(v.cases), f"**{v.verdict}**", v.evidence) for v in verdicts],
        ),
    ]
    if failed:
        parts += ["## What failed", _list([f"{name}: {why}" for name, why in failed.items()])]
    compared = [line for product in products.values() for line in _comparisons(product)]
    if compared:
        parts += [
            "## Comparison with the published curves",
            "*Within*: at how many layers the published value lies in the range of our seeds. "
            "*Distance*: the median over the layers of the distance between the median of our "
            "seeds and the published value, in decades if the axis is logarithmic. *Correlation*: "
            "Spearman's rank correlation over the layers.",
            markdown(_COMPARED, compared),
        ]
    for product in products.values():
        parts += _section(product, options, figures)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(product: Product, options: str, figures: str) -> list[str]:
    name, title, content = product.name, product.title, product.content
    return [
        f"## {name}: {title}",
        f"`deepnrc reproduce {name} {options}`",
        markdown(content.headings, content.rows)
        if isinstance(content, Table)
        else f"![{title}]({figures}/{name}.png)",
        _list(product.findings),
        "Made from:",
        _list(product.made_from),
        f"Values: [{name}.csv]({figures}/{name}.csv)",
    ]


def _comparisons(product: Product) -> list[tuple[str, ...]]:
    if not isinstance(product.content, PanelGrid):
        return []
    return [
        (
            product.name,
            found.dataset,
            found.quantity,
            str(found.layers),
            f"{found.within} of {found.layers}",
            f"{number(found.difference)} {'decades' if found.logarithmic else ''}".strip(),
            f"{found.correlation:.2f}",
        )
        for found in compare(product.content)
    ]


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
