"""Imitation data: (state, action) pairs of experts in MuJoCo's Swimmer, Reacher and Hopper.

Built here with gymnasium, by a scripted expert (Reacher) or by one trained with
stable-baselines3, or read from the published sets of Minari, D4RL and JAT. Importing this loads
none of the optional libraries.
"""

from deepnrc.data.sets.imitation.reacher import (
    ImitationData,
    build_reacher,
    expert_returns,
    load_reacher,
    reacher_path,
    save_reacher,
)
from deepnrc.data.sets.imitation.sources import SOURCES

__all__ = [
    "SOURCES",
    "ImitationData",
    "build_reacher",
    "expert_returns",
    "load_reacher",
    "reacher_path",
    "save_reacher",
]
