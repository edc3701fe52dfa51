"""The predecessor's figures [A24]: 2024's conditions at the last layer, by epoch and weight decay.

Five figures on one file, because all read the same record of the same runs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from deepnrc.experiments.paper.by_layer import some_runs
from deepnrc.experiments.paper.last_layer_runs import (
    curve_by_epoch,
    field_of,
    final_sentence,
    gram_curve,
    held_variance,
    last_record,
    loss_panel,
    theory_sentence,
)
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelFigure, median
from deepnrc.support.text import number

__all__ = [
    "ITEMS",
    "TITLES",
    "LastLayerItem",
    "curves_by_epoch",
    "decay_by_epoch",
    "residual_over_gamma",
    "ufm_by_epoch",
    "variance_ratios",
]

TITLES = {
    "a24-curves": "2024's NRC1–3 at the last layer, with errors, by epoch (decay 1e-3)",
    "a24-decay": "2024's NRC1–3 at the last layer under weight decays, by epoch",
    "a24-variance": "Share of the last features' variance along each principal component",
    "a24-gamma": "2024's NRC3 over γ/λ_min, at the end of training",
    "a24-ufm": "UFM-style runs, λ_H = λ_W in place of weight decay, by epoch",
}
_DECAY = 0.001  # of the runs that are shown alone
_CONDITIONS: tuple[tuple[str, str], ...] = (
    ("feature_pca_residual", "NRC1 (2024)\nfeatures, components"),
    ("feature_weight_residual", "NRC2 (2024)\nfeatures, rows of W"),
)


@dataclass(frozen=True)
class LastLayerItem:
    """One of [A24]'s figures.

    Attributes:
        name: Of its files.
        group: That it is made from.
        draw: Makes it.
    """

    name: str
    group: str
    draw: Callable[[str, GroupRuns], PanelFigure]

    @property
    def TITLE(self) -> str:  # noqa: N802  - as of the modules of one figure
        """What it shows."""
        return TITLES[self.name]

    @property
    def GROUPS(self) -> tuple[str, ...]:  # noqa: N802
        """The one group."""
        return (self.group,)

    def make(self, groups: Mapping[str, GroupRuns]) -> PanelFigure:
        """The figure."""
        return self.draw(self.name, groups[self.group])


def curves_by_epoch(name: str, runs: GroupRuns) -> PanelFigure:
    """One column a data set: NRC1, NRC2, NRC3 at the final γ, errors, R²."""
    columns = []
    for variant in runs.values("variant"):
        each = some_runs(runs.where(variant=variant, weight_decay=_DECAY))
        panels = [
            Panel(
                variant,
                variant,
                label,
                (curve_by_epoch(each, "our runs", field_of(field)),),
                "epoch",
                "unit",
                "symlog",
            )
            for field, label in _CONDITIONS
        ]
        panels.append(
            Panel(
                "",
                variant,
                "NRC3 (2024)\nGram matrix",
                (gram_curve(each, "our runs"),),
                "epoch",
                "log",
                "symlog",
            )
        )
        panels.append(loss_panel(each, variant))
        columns.append([replace(p, title=variant if i == 0 else "") for i, p in enumerate(panels)])
    finals = [
        final_sentence(runs.where(variant=v, weight_decay=_DECAY), v)
        for v in runs.values("variant")
    ]
    return PanelFigure(
        name, TITLES[name], tuple(zip(*columns, strict=True)), (runs.made_from,), tuple(finals)
    )


def decay_by_epoch(name: str, runs: GroupRuns) -> PanelFigure:
    """One column a data set, a curve for each weight decay."""
    return _levels_by_epoch(name, runs, "weight_decay", lambda value: f"decay {value:g}")


def ufm_by_epoch(name: str, runs: GroupRuns) -> PanelFigure:
    """The conditions by epoch for each λ, with the Gram matrix that theory predicts beside W's."""
    figure = _levels_by_epoch(name, runs, "variant", lambda value: f"λ = {value}", split="")
    findings = tuple(theory_sentence(runs.where(variant=v), v) for v in runs.values("variant"))
    return PanelFigure(name, figure.title, figure.rows, figure.made_from, findings)


def variance_ratios(name: str, runs: GroupRuns) -> PanelFigure:
    """EVR_k of the last layer's features for each data set, a curve for each weight decay."""
    panels = []
    for variant in runs.values("variant"):
        curves = []
        for decay in runs.values("weight_decay"):
            each = list(runs.where(variant=variant, weight_decay=decay))
            if not each:
                continue
            ratios = {r.seed: last_record(r.measurement).explained_variance_ratios for r in each}
            shown = {
                seed: [*values[:8], *[math.nan] * (8 - len(values))]
                for seed, values in ratios.items()
            }
            x = tuple(float(k) for k in range(1, 9))
            curves.append(
                Curve(f"decay {decay:g}", x, {s: v[: len(x)] for s, v in shown.items()}, "level")
            )
        t = len(last_record(some_runs(runs.where(variant=variant))[0].measurement).gram)
        panels.append(
            Panel(
                variant,
                variant,
                "share of the variance",
                tuple(curves),
                "principal component",
                "unit",
                mark=(float(t), "target dimension t"),
            )
        )
    findings = tuple(
        f"{v}, decay {d:g}: the first t components hold "
        f"{number(held_variance(runs.where(variant=v, weight_decay=d)))} of the variance "
        "(median)."
        for v in runs.values("variant")
        for d in runs.values("weight_decay")
    )
    return PanelFigure(name, TITLES[name], (tuple(panels),), (runs.made_from,), findings)


def residual_over_gamma(name: str, runs: GroupRuns) -> PanelFigure:
    """NRC3 as a function of γ/λ_min; its minimum is marked in the text."""
    shares = tuple(i / 50 for i in range(51))
    panels, findings = [], []
    for variant in runs.values("variant"):
        each = some_runs(runs.where(variant=variant, weight_decay=_DECAY))
        values = {
            run.seed: [last.gram_residual_at(share * last.largest_gamma) for share in shares]
            for run in each
            for last in (last_record(run.measurement),)
        }
        best = median([last_record(run.measurement).gamma_share for run in each])
        panels.append(
            Panel(
                variant,
                variant,
                "NRC3 (2024)",
                (Curve("our runs", shares, values),),
                "γ/λ_min",
                mark=(best, "least (median seed)"),
            )
        )
        ends = sum(last_record(run.measurement).gamma_on_end is True for run in each)
        findings.append(
            f"{variant}: γ*/λ_min = {number(best)} in the median; on an end of its range in "
            f"{ends} of {len(each)} seeds; [A24] reports {_A24_SHARES.get(variant, 'nothing')}."
        )
    return PanelFigure(name, TITLES[name], (tuple(panels),), (runs.made_from,), tuple(findings))


_A24_SHARES = {"reacher": ".749", "swimmer": ".691", "hopper": ".011"}

ITEMS = (
    LastLayerItem("a24-curves", "last-layer", curves_by_epoch),
    LastLayerItem("a24-decay", "last-layer", decay_by_epoch),
    LastLayerItem("a24-variance", "last-layer", variance_ratios),
    LastLayerItem("a24-gamma", "last-layer", residual_over_gamma),
    LastLayerItem("a24-ufm", "ufm-style", ufm_by_epoch),
)


def _levels_by_epoch(
    name: str, runs: GroupRuns, key: str, label: Callable[[object], str], *, split: str = "variant"
) -> PanelFigure:
    columns = []
    for column in runs.values(split) if split else [""]:
        chosen = runs.where(**{split: column}) if split else runs
        by_level = {v: each for v in runs.values(key) if (each := list(chosen.where(**{key: v})))}
        title = str(column) or runs.runs[0].member.config.data.name
        panels = []
        for row, (quantity, value) in enumerate(
            [(text, field_of(field)) for field, text in _CONDITIONS]
            + [("NRC3 (2024)\nGram matrix", None), ("training MSE", lambda m: m.model_mse)]
        ):
            curves = tuple(
                gram_curve(each, label(level), "level")
                if value is None
                else curve_by_epoch(each, label(level), value, "level")
                for level, each in by_level.items()
            )
            scale = "unit" if row < 2 else "log"
            panels.append(
                Panel(title if row == 0 else "", title, quantity, curves, "epoch", scale, "symlog")
            )
        columns.append(panels)
    findings = tuple(
        final_sentence(chosen, f"{column} {label(level)}".strip())
        for column in (runs.values(split) if split else [""])
        for level in runs.values(key)
        for chosen in ((runs.where(**{split: column}) if split else runs).where(**{key: level}),)
    )
    return PanelFigure(
        name, TITLES[name], tuple(zip(*columns, strict=True)), (runs.made_from,), findings
    )
