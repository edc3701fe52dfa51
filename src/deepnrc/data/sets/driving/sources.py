"""What the registry knows of the driving sets: CARLA's with two targets and with one, CarRacing."""

from functools import partial

from deepnrc.data.sets.driving.carla import read_carla
from deepnrc.data.sets.driving.carracing import build_carracing, read_carracing
from deepnrc.data.source import Source

__all__ = ["CARLA1D", "CARLA2D", "CARRACING"]

_CARLA_ORIGIN = (
    "Codevilla et al., End-to-end Driving via Conditional Imitation Learning, ICRA 2018; "
    "github.com/carla-simulator/imitation-learning links the archive (14 GB), to be downloaded by "
    "hand"
)
_CARLA_LICENCE = "not stated by its authors; ask them before you redistribute it"

CARLA2D = Source(
    name="carla2d",
    summary="Camera images of a car in the CARLA simulator; its steering and speed",
    origin=_CARLA_ORIGIN,
    licence=_CARLA_LICENCE,
    targets=("steering", "speed"),
    scaling="minmax",
    read_real=read_carla,
    extra="driving",
)
CARLA1D = Source(
    name="carla1d",
    summary="Camera images of a car in the CARLA simulator; its speed",
    origin=_CARLA_ORIGIN,
    licence=_CARLA_LICENCE,
    targets=("speed",),
    scaling="minmax",
    read_real=partial(read_carla, speed_only=True),
    extra="driving",
)
CARRACING = Source(
    name="carracing",
    summary="Pictures of CarRacing's tracks from above; a driver's steering and the speed",
    origin="built here: gymnasium's CarRacing-v3 driven by pure pursuit, with disturbances",
    licence="gymnasium is MIT; what is built is yours",
    targets=("steering", "speed"),
    default_samples=10_000,
    scaling="minmax",
    build=build_carracing,
    read_built=read_carracing,
    options={"speed_only": "leave the steering out, t = 1 (default: False)"},
    extra="driving",
)
