"""Figure 5 of [RU26]: losses by epoch, and the epoch from which on Deep NRC holds."""

from deepnrc.experiments.paper.epoch_panels import loss_curves
from deepnrc.experiments.paper.figure import Chosen, Figure, for_each
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelGrid
from deepnrc.support.text import number

_POINTS = 100  # of a loss curve; the log has each epoch


def _panels(chosen: Chosen) -> PanelGrid:
    """Six panels, one per data set."""
    panels = [_panel(runs) for runs in chosen]
    return PanelGrid([panels[:3], panels[3:]])


def _panel(runs: GroupRuns) -> Panel:
    each = runs.require()
    kept = _log_spaced(len(each[0].log), _POINTS)
    first = runs.first_collapsed_epoch("all")
    return Panel(
        title=runs.title,
        dataset=runs.dataset,
        quantity="mean squared error",
        curves=loss_curves(each, kept, "loss"),
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
    settled = ", ".join(str(run.settled_epoch() or "none") for run in runs)
    last = runs.runs[0].log[-1]
    return (
        f"{runs.title}: first collapsed epoch by seed, {'; '.join(parts)}; the training loss "
        f"has made 90 % of its decrease by epoch {settled}; final losses of the first seed: "
        f"{number(last['train_loss'])} (training), {number(last['test_loss'])} (test)."
    )


def _log_spaced(count: int, points: int) -> list[int]:
    if count <= points:
        return list(range(count))
    places = [round(count ** (i / (points - 1))) - 1 for i in range(points)]
    return sorted(set(places))


FIGURE = Figure(
    name="fig5",
    title="Train and test loss by epoch, and the first collapsed epoch",
    groups=("swimmer", "hopper", "reacher", "sgemm-decay", "carla-decay", "utkface"),
    only={  # as in the paper's Table 2
        "sgemm-decay": {"weight_decay": 0.001},
        "carla-decay": {"weight_decay": 0.005},
    },
    content=_panels,
    findings=for_each(_sentence),
    order=50,
)
