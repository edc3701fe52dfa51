"""Figure 5 of [RU26]: losses by epoch, and the epoch from which on Deep NRC holds."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import some_runs
from deepnrc.experiments.paper.runs import GroupRuns, median_epoch, settled_epoch
from deepnrc.report.panels import Curve, Panel, PanelFigure
from deepnrc.support.text import number

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Train and test loss by epoch, and the first collapsed epoch"
GROUPS = ("swimmer", "hopper", "reacher", "sgemm-decay", "carla-decay", "utkface")
_POINTS = 100  # of a loss curve; the log has each epoch


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """Six panels, one a data set, under the weight decay of the paper's Table 2."""
    chosen = {name: groups[name] for name in GROUPS}
    chosen["sgemm-decay"] = chosen["sgemm-decay"].where(weight_decay=0.001)
    chosen["carla-decay"] = chosen["carla-decay"].where(weight_decay=0.005)
    panels = [_panel(runs) for runs in chosen.values()]
    return PanelFigure(
        "fig5",
        TITLE,
        (tuple(panels[:3]), tuple(panels[3:])),
        tuple(runs.made_from for runs in chosen.values()),
        tuple(_sentence(runs) for runs in chosen.values()),
    )


def _panel(runs: GroupRuns) -> Panel:
    each = some_runs(runs)
    kept = _log_spaced(len(each[0].log), _POINTS)
    epochs = tuple(float(each[0].log[i]["epoch"]) for i in kept)
    curves = tuple(
        Curve(label, epochs, {r.seed: [r.log[i][key] for i in kept] for r in each}, kind)
        for label, key, kind in (
            ("training loss", "train_loss", "main"),
            ("test loss", "test_loss", "test"),
        )
    )
    first = median_epoch([run.first_collapsed_epoch("all") for run in each])
    return Panel(
        title=runs.title,
        dataset=runs.dataset,
        quantity="mean squared error",
        curves=curves,
        x_label="epoch",
        scale="log",
        x_scale="log",
        mark=None if first is None else (float(max(first, 1)), "first collapsed epoch"),
    )


def _sentence(runs: GroupRuns) -> str:
    parts = []
    for rule, name in (("all", "all four conditions"), ("nrc1", "NRC1 alone")):
        found = [run.first_collapsed_epoch(rule) for run in runs]
        shown = ", ".join("never" if epoch is None else str(epoch) for epoch in found)
        parts.append(f"by {name}: {shown}")
    settled = ", ".join(str(settled_epoch(run.log) or "none") for run in runs)
    last = next(iter(runs)).log[-1]
    return (
        f"{runs.title}: first collapsed epoch by seed, {'; '.join(parts)}; nine tenths of the "
        f"loss's way are done at epoch {settled}; losses of the first seed at the end "
        f"{number(last['train_loss'])} (training) and {number(last['test_loss'])} (test)."
    )


def _log_spaced(count: int, points: int) -> list[int]:
    if count <= points:
        return list(range(count))
    places = [round(count ** (i / (points - 1))) - 1 for i in range(points)]
    return sorted(set(places))
