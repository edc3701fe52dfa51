"""The predecessor's figures [A24]: 2024's conditions at the last layer, by epoch and weight decay.

Five figures on one file, because all read the same record of the same runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from deepnrc.errors import DataError
from deepnrc.experiments.paper.by_layer import some_runs
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.measurement import Measurement
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.report.panels import Curve, Panel, PanelFigure, median
from deepnrc.report.text import number
from deepnrc.theory import ufm_optimum

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
    "a24-curves": "2024's NRC1–3 at the last layer, with errors, by epoch (decay 1e-2)",
    "a24-decay": "2024's NRC1–3 at the last layer under weight decays, by epoch",
    "a24-variance": "Share of the last features' variance along each principal component",
    "a24-gamma": "2024's NRC3 over γ/λ_min, at the end of training",
    "a24-ufm": "UFM-style runs, λ_H = λ_W in place of weight decay, by epoch",
}
_DECAY = 0.01  # of the runs that are shown alone
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
                (_by_epoch(each, "our runs", _field(field)),),
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
                (_gram_curve(each, "our runs"),),
                "epoch",
                "log",
                "symlog",
            )
        )
        panels.append(_loss_panel(each, variant))
        columns.append([replace(p, title=variant if i == 0 else "") for i, p in enumerate(panels)])
    finals = [
        _final_sentence(runs.where(variant=v, weight_decay=_DECAY), v)
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
    findings = tuple(_theory_sentence(runs.where(variant=v), v) for v in runs.values("variant"))
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
            ratios = {r.seed: _last(r.measurement).explained_variance_ratios for r in each}
            shown = {
                seed: [*values[:8], *[math.nan] * (8 - len(values))]
                for seed, values in ratios.items()
            }
            x = tuple(float(k) for k in range(1, 9))
            curves.append(
                Curve(f"decay {decay:g}", x, {s: v[: len(x)] for s, v in shown.items()}, "level")
            )
        t = len(_last(some_runs(runs.where(variant=variant))[0].measurement).gram)
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
        f"{number(_held(runs.where(variant=v, weight_decay=d)))} of the variance in the median."
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
            for last in (_last(run.measurement),)
        }
        best = median([_last(run.measurement).gamma_share for run in each])
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
        ends = sum(_last(run.measurement).gamma_on_end is True for run in each)
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
            [(text, _field(field)) for field, text in _CONDITIONS]
            + [("NRC3 (2024)\nGram matrix", None), ("training MSE", lambda m: m.model_mse)]
        ):
            curves = tuple(
                _gram_curve(each, label(level), "level")
                if value is None
                else _by_epoch(each, label(level), value, "level")
                for level, each in by_level.items()
            )
            scale = "unit" if row < 2 else "log"
            panels.append(
                Panel(title if row == 0 else "", title, quantity, curves, "epoch", scale, "symlog")
            )
        columns.append(panels)
    findings = tuple(
        _final_sentence(chosen, f"{column} {label(level)}".strip())
        for column in (runs.values(split) if split else [""])
        for level in runs.values(key)
        for chosen in ((runs.where(**{split: column}) if split else runs).where(**{key: level}),)
    )
    return PanelFigure(
        name, TITLES[name], tuple(zip(*columns, strict=True)), (runs.made_from,), findings
    )


def _last(measurement: Measurement) -> LastLayer:
    if measurement.last_layer is None:
        raise DataError(f"no last layer: {measurement.undefined['last_layer']}")
    return measurement.last_layer


def _field(name: str) -> Callable[[Measurement], float]:
    return lambda measurement: getattr(_last(measurement), name)


def _by_epoch(
    runs: Sequence[FinishedRun],
    label: str,
    value: Callable[[Measurement], float],
    kind: str = "main",
) -> Curve:
    epochs = tuple(float(epoch) for epoch, _ in runs[0].history)
    values = {run.seed: [value(measurement) for _, measurement in run.history] for run in runs}
    return Curve(label, epochs, values, kind)


def _gram_curve(runs: Sequence[FinishedRun], label: str, kind: str = "main") -> Curve:
    """NRC3 by epoch at the γ of the last epoch, as [A24] draws it."""
    epochs = tuple(float(epoch) for epoch, _ in runs[0].history)
    values = {}
    for run in runs:
        gamma = _last(run.measurement).gamma
        known = not math.isnan(gamma)
        values[run.seed] = [
            _last(m).gram_residual_at(gamma) if known else math.nan for _, m in run.history
        ]
    return Curve(label, epochs, values, kind)


def _loss_panel(runs: Sequence[FinishedRun], dataset: str) -> Panel:
    kept = [i for i, entry in enumerate(runs[0].log) if _shown(entry["epoch"], len(runs[0].log))]
    epochs = tuple(float(runs[0].log[i]["epoch"]) for i in kept)
    curves = tuple(
        Curve(label, epochs, {r.seed: [r.log[i][key] for i in kept] for r in runs}, kind)
        for label, key, kind in (
            ("training MSE", "train_loss", "main"),
            ("test MSE", "test_loss", "test"),
        )
    )
    return Panel("", dataset, "MSE", curves, "epoch", "log", "symlog")


def _shown(epoch: int, last: int) -> bool:
    step = max(1, 10 ** (len(str(epoch)) - 1) // 10)
    return epoch % step == 0 or epoch == last


def _held(runs: GroupRuns) -> float:
    held = []
    for run in runs:
        last = _last(run.measurement)
        ratios = last.explained_variance_ratios
        held.append(sum(ratios[: len(last.gram)]) if ratios else math.nan)
    return median(held)


def _final_sentence(runs: GroupRuns, what: str) -> str:
    lasts = [_last(run.measurement) for run in runs]
    if not lasts:
        return f"{what}: no run came to its end ({len(runs.failed)} failed)."
    parts = [
        f"NRC{i} {number(median([getattr(last, field) for last in lasts]))}"
        for i, field in enumerate(
            ("feature_pca_residual", "feature_weight_residual", "gram_residual"), start=1
        )
    ]
    return (
        f"{what}: at the end {', '.join(parts)} (chance of the first two "
        f"{number(lasts[0].chance_residual)}), R² {number(median([last.r2 for last in lasts]))}; "
        f"eigenvalues of the Gram matrix {_list(lasts[0].gram_eigenvalues)} (first seed)."
    )


def _theory_sentence(runs: GroupRuns, level: str) -> str:
    """The rank and error that theory gives for the penalties, beside what the runs reached."""
    each = list(runs)
    if not each:
        return f"λ = {level}: no run came to its end ({len(runs.failed)} failed)."
    last = _last(each[0].measurement)
    size = float(level)
    best = ufm_optimum(last.target_covariance, lambda_h=size, lambda_w=size)
    t = len(last.gram)
    ours = median([run.measurement.model_mse * t for run in each])
    rank = [sum(v > 1e-3 * max(_largest(run), 1e-12) for v in _eigenvalues(run)) for run in each]
    return (
        f"λ = {level}: theory gives a Gram matrix of rank {best.rank} with eigenvalues "
        f"{_list(sorted(torch.linalg.eigvalsh(best.gram).tolist(), reverse=True))} and a training "
        f"error (summed over targets) of {number(float(best.mse))}; the runs have "
        f"{_list(_eigenvalues(each[0]))} (first seed) and {number(ours)} (median), numerical rank "
        f"{min(rank)}–{max(rank)}. {_final_sentence(runs, 'Conditions')}"
    )


def _eigenvalues(run: FinishedRun) -> tuple[float, ...]:
    return _last(run.measurement).gram_eigenvalues


def _largest(run: FinishedRun) -> float:
    return _eigenvalues(run)[0]


def _list(values: Sequence[float]) -> str:
    return "(" + ", ".join(number(value) for value in values) + ")"
