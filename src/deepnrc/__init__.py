"""deepnrc: measure Deep Neural Regression Collapse at every layer of any regression network."""

from deepnrc import data, errors, models, theory
from deepnrc._version import __version__
from deepnrc.collect import collect
from deepnrc.collection import Collection
from deepnrc.diagnosis import Diagnosis, diagnose
from deepnrc.measure import evaluate, measure
from deepnrc.measurement import ClassCollapse, LayerMeasurement, Measurement, load
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.moments import Moments
from deepnrc.monitor import Monitor

__all__ = [
    "ClassCollapse",
    "Collection",
    "Diagnosis",
    "LastLayer",
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
