"""Table 2 of [RU26]: data sets and models, those of the paper and those of these runs."""

from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.support.text import Table
from deepnrc.training.config import ExperimentConfig, MLPConfig

_PAPER = {  # by experiment: input, t, rows
    "swimmer": ("8", "2", "1,000"),
    "reacher": ("11", "2", "1,000"),
    "hopper": ("11", "3", "5,000"),
    "sgemm": ("14", "4", "241,600"),
    "carla2d": ("RGB 88×200", "2", "50,000"),
    "utkface": ("RGB 128×128", "1", "25,000"),
}
_SETTINGS = ("model", "learning rate", "weight decay", "epochs", "batch")


def _table(chosen: Chosen) -> Table:
    """Two rows per data set: the settings of the paper and of these runs."""
    rows = []
    for runs in chosen:
        name = runs.plan.group.experiment
        rows.append((name, "paper", *_PAPER[name], *_settings(find_experiment(name))))
        # The paper's own weight decay is the largest of its sweeps.
        run = max(runs.require(), key=lambda run: run.member.config.training.weight_decay)
        here, train = run.member.config, run.measurement
        samples = f"{train.samples + run.test.samples:,}"
        if isinstance(here.model, MLPConfig):
            inputs = str(train[0].width)
        else:
            inputs = "RGB 84×96" if here.data.name == "carracing" else _PAPER[name][0]
        size = (inputs, str(train.target_dim), samples)
        rows.append((here.data.name, "here", *size, *_settings(here)))
    return Table(("data", "", "input", "t", "rows", *_SETTINGS), tuple(rows), ())


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


FIGURE = Figure(
    name="table2",
    title="Data sets and models: the paper's, and those of these runs",
    groups=("swimmer", "reacher", "hopper", "sgemm-decay", "carla-decay", "utkface"),
    content=_table,
    findings=lambda chosen: ("Both train on 80 % of the rows, split with seed 42.",),
    order=110,
)
