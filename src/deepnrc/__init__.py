"""deepnrc: measure Deep Neural Regression Collapse at every layer of any regression network."""

from deepnrc import data, errors, models, theory
from deepnrc._version import __version__
from deepnrc.collect import Collection, collect
from deepnrc.diagnosis import Diagnosis, diagnose
from deepnrc.measure import evaluate, measure
from deepnrc.measurement import LayerMeasurement, Measurement, load
from deepnrc.moments import Moments
from deepnrc.monitor import Monitor

__all__ = [
    "Collection",
    "Diagnosis",
    "LayerMeasurement",
    "Measurement",
    "Moments",
    "Monitor",
    "__version__",
    "collect",
    "data",
    "diagnose",
    "errors",
    "evaluate",
    "load",
    "measure",
    "models",
    "theory",
]
