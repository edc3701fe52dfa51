"""Ready-made experiments: the named ones, the demo, the paper, and theory beside a run."""

from deepnrc.experiments.named import experiment_names, find_experiment, register

__all__ = ["experiment_names", "find_experiment", "register"]
