"""Every group of runs in miniature: the real plans, on few synthetic rows and narrow networks."""

import pytest

from deepnrc.data.loading import load
from deepnrc.experiments.paper.group import groups as all_groups
from deepnrc.experiments.paper.plan import Plan, plan_group
from deepnrc.experiments.paper.train import finished_runs
from deepnrc.training.config import DataConfig, MLPConfig
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.sweeps.expand import Member

EPOCHS = 3


def miniature(plan):
    """A plan's members with the swept settings kept, everything else as small as can be."""
    members = []
    for member in plan.members:
        config = member.config
        options = dict(config.data.options) if config.data.name == "synthetic" else {}
        options.pop("speed_only", None)
        options = {"target_dim": 2 if "target_dim" not in options else 10, "rank": 2, **options}
        data = DataConfig(name="synthetic", samples=150, seed=config.data.seed, options=options)
        depth = config.model.depth if config.model.kind == "mlp" else 3
        model = MLPConfig(width=12, depth=depth, bias=getattr(config.model, "bias", False))
        training = config.training.model_copy(update={"epochs": EPOCHS, "lr": 1e-3})
        measure = config.measure.model_copy(
            update={"epochs": [0, EPOCHS], "log_spaced": None, "layers": None, "every": None}
        )
        parts = {"data": data, "model": model, "training": training, "measure": measure}
        members.append(Member(member.name, config.model_copy(update=parts), member.settings))
    return Plan(plan.name, plan.group, "in miniature", tuple(members), None)


@pytest.fixture(scope="session")
def miniature_runs(tmp_path_factory):
    """Plans by name, and the folder that holds their finished runs."""
    out = tmp_path_factory.mktemp("runs")
    plans = [miniature(plan_group(name, "smoke", seeds=2)) for name in all_groups().names()]
    data = {}
    for plan in plans:
        for member in plan.members:
            config = member.config.data
            key = str(config)
            if key not in data:
                data[key] = load(
                    "synthetic", samples=150, seed=config.seed, standardize=False, **config.options
                )
            run_experiment(member.config, out / member.name, data=data[key])
    return plans, out


@pytest.fixture
def groups(miniature_runs):
    plans, out = miniature_runs
    return finished_runs(plans, out)
