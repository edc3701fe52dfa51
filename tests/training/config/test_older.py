"""What configurations of older run folders meant by keys that they lack."""

import pytest

from deepnrc.experiments.named import experiment_names, find_experiment
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import config_text, parse_config, plain_config
from deepnrc.training.config.older import as_meant, changes


def config(**measure):
    return ExperimentConfig(
        name="x",
        data={"name": "synthetic"},
        training={"epochs": 3, "lr": 0.1},
        measure=measure,
    )


def without_rcond(text):
    return "".join(line for line in text.splitlines(True) if not line.startswith("rcond"))


def test_a_missing_cut_off_was_the_papers():
    older = parse_config(without_rcond(config_text(config())), source="", name="")
    assert as_meant(older).measure.options.rcond == 1e-3
    assert as_meant(config(rcond=0.0)).measure.options.rcond is None
    assert as_meant(config(rcond=0.01)).measure.options.rcond == 0.01


@pytest.mark.parametrize(
    ("rcond", "found"),
    [(0.0, []), (1e-3, []), (0.01, ["measure.rcond: 0.001, now 0.01"])],
)
def test_an_older_configuration_matches_the_default_then_and_now(rcond, found):
    stored = plain_config(config())
    del stored["measure"]["rcond"]
    assert changes(stored, config(rcond=rcond)) == found
    assert changes(plain_config(config()), config(rcond=1e-3)) == ["measure.rcond: 0.0, now 0.001"]


def test_the_papers_experiments_have_the_papers_cut_off():
    assert {find_experiment(name).measure.rcond for name in experiment_names()} == {1e-3}
