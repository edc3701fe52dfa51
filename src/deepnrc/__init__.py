"""deepnrc: measure Deep Neural Regression Collapse at every layer of any regression network."""

from deepnrc import data, errors, models, theory
from deepnrc._version import __version__
from deepnrc.activations.kinds.registered import LayerRegistration, register_layer
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.metrics.metric import Metric
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.record import Moments
from deepnrc.monitoring.monitor import Monitor
from deepnrc.passes.collect import collect
from deepnrc.passes.collection import Collection
from deepnrc.passes.options import MeasureOptions
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.evaluate import evaluate
from deepnrc.results.head_measurements import HeadDiagnoses, HeadMeasurements
from deepnrc.results.layer_measurement import ClassCollapse, LayerMeasurement
from deepnrc.results.measure import measure
from deepnrc.results.measure_heads import measure_heads
from deepnrc.results.measurement import Measurement, load
from deepnrc.results.plan import LayerPlan, Plan, plan

__all__ = [
    "ClassCollapse",
    "Collection",
    "Diagnosis",
    "HeadDiagnoses",
    "HeadMeasurements",
    "LastLayer",
    "LayerMeasurement",
    "LayerPlan",
    "LayerRegistration",
    "LayerView",
    "MeasureOptions",
    "Measurement",
    "Metric",
    "Moments",
    "Monitor",
    "Plan",
    "Undefined",
    "__version__",
    "collect",
    "data",
    "diagnose",
    "errors",
    "evaluate",
    "load",
    "measure",
    "measure_heads",
    "models",
    "plan",
    "register_layer",
    "theory",
]
