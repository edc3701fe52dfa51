"""Table 2 of [RU26]: data sets and models, as the paper has them and as they were run here."""

from collections.abc import Mapping

from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.by_layer import some_runs
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.experiments.paper.tables import TableFigure
from deepnrc.training.config import ExperimentConfig, MLPConfig

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Data sets and models: the paper's, and those of these runs"
GROUPS = ("swimmer", "reacher", "hopper", "sgemm-decay", "carla-decay", "utkface")
_PAPER = {  # input, t, rows
    "swimmer": ("8", "2", "1,000"),
    "reacher": ("11", "2", "1,000"),
    "hopper": ("11", "3", "5,000"),
    "sgemm-decay": ("14", "4", "241,600"),
    "carla-decay": ("RGB 88×200", "2", "50,000"),
    "utkface": ("RGB 128×128", "1", "25,000"),
}


def make(groups: Mapping[str, GroupRuns]) -> TableFigure:
    """Two rows a data set: the paper's settings, and these runs'."""
    rows = []
    for name in GROUPS:
        runs = groups[name]
        paper = find_experiment(runs.plan.group.experiment)
        run = max(
            some_runs(runs), key=lambda run: run.member.config.training.weight_decay
        )  # the paper's own is the largest of its sweeps
        here, train = run.member.config, run.measurement
        inputs = str(train[0].width) if isinstance(here.model, MLPConfig) else _pictures(name, here)
        samples = f"{train.samples + run.test.samples:,}"
        rows.append((runs.plan.group.experiment, "paper", *_PAPER[name], *_settings(paper)))
        rows.append(
            (here.data.name, "here", inputs, str(train.target_dim), samples, *_settings(here))
        )
    return TableFigure(
        "table2",
        TITLE,
        (
            "data",
            "",
            "input",
            "t",
            "rows",
            "model",
            "learning rate",
            "weight decay",
            "epochs",
            "batch",
        ),
        tuple(rows),
        tuple(groups[name].made_from for name in GROUPS),
        ("Both train with 80 % of the rows, split with seed 42.",),
    )


def _pictures(name: str, config: ExperimentConfig) -> str:
    return "RGB 84×96" if config.data.name == "carracing" else _PAPER[name][0]


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
