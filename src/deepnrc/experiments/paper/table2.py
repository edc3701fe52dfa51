"""Table 2 of [RU26]: data sets and models, as the paper has them and as they were run here."""

from collections.abc import Mapping

from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.experiments.paper.tables import TableFigure
from deepnrc.training.config import ExperimentConfig, MLPConfig

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Data sets and models: the paper's, and those of these runs"
GROUPS = ("swimmer", "reacher", "hopper", "sgemm-decay", "carla-decay", "utkface")
_PAPER_ROWS = {
    "swimmer": "1,000",
    "reacher": "1,000",
    "hopper": "5,000",
    "sgemm-decay": "241,600",
    "carla-decay": "50,000",
    "utkface": "25,000",
}


def make(groups: Mapping[str, GroupRuns]) -> TableFigure:
    """Two rows a data set: the paper's settings, and these runs'."""
    rows = []
    for name in GROUPS:
        runs = groups[name]
        paper = find_experiment(runs.plan.group.experiment)
        here = _paper_decay(runs).member.config
        rows.append((runs.plan.group.experiment, "paper", _PAPER_ROWS[name], *_settings(paper)))
        first = _paper_decay(runs).measurement
        test = _paper_decay(runs).test
        samples = f"{first.samples + test.samples:,}"
        rows.append((here.data.name, "here", samples, *_settings(here)))
    return TableFigure(
        "table2",
        TITLE,
        ("data", "", "rows", "model", "learning rate", "weight decay", "epochs", "batch"),
        tuple(rows),
        tuple(groups[name].made_from for name in GROUPS),
        ("Both train with 80 % of the rows, split with seed 42.",),
    )


def _paper_decay(runs: GroupRuns) -> FinishedRun:
    return max(runs, key=lambda run: run.member.config.training.weight_decay)


def _settings(config: ExperimentConfig) -> tuple[str, ...]:
    model, training = config.model, config.training
    name = (
        f"MLP, {model.depth} × {model.width}"
        if isinstance(model, MLPConfig)
        else model.kind.replace("resnet", "ResNet-")
    )
    return (
        name,
        f"{training.lr:g}",
        f"{training.weight_decay:g}",
        f"{training.epochs:,}",
        str(training.batch_size),
    )
