"""deepnrc: measure Deep Neural Regression Collapse at every layer of any regression network."""

from deepnrc import data, errors, models, theory
from deepnrc._version import __version__
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.moments.record import Moments
from deepnrc.monitoring.monitor import Monitor
from deepnrc.passes.collect import collect
from deepnrc.passes.collection import Collection
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.measure import evaluate, measure
from deepnrc.results.measurement import ClassCollapse, LayerMeasurement, Measurement, load

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
