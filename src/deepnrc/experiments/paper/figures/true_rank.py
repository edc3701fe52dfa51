"""Beyond the paper: the intrinsic dimension that is found, and the rank that the targets have."""

import math
from collections.abc import Iterator

from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.runs import FinishedRun
from deepnrc.experiments.paper.setting_maps import setting_map
from deepnrc.report.heat_maps import HeatMaps


def _maps(chosen: Chosen) -> HeatMaps:
    """Found by the 99 % rule in the last collapsed layer, and the same always in the last layer."""
    [runs] = chosen
    return HeatMaps(
        "true rank of the targets",
        "noise (standard deviation)",
        "intrinsic dimension",
        [
            setting_map("where layers are collapsed", runs, "rank", "noise", _collapsed_dimension),
            setting_map("last layer, collapsed or not", runs, "rank", "noise", _last_dimension),
        ],
    )


def _collapsed_dimension(run: FinishedRun) -> float:
    """The intrinsic dimension of the diagnosis; NaN where no layer is collapsed."""
    found = run.diagnosis.intrinsic_dimension
    return math.nan if found is None else float(found)


def _last_dimension(run: FinishedRun) -> float:
    """Directions that hold 99 % of the last layer's feature energy; NaN for constant features."""
    found = run.diagnosis.intrinsic.by_layer[-1][1]
    return math.nan if found is None else float(found)


def _findings(chosen: Chosen) -> Iterator[str]:
    [runs] = chosen
    for noise, each in runs.by("noise").items():
        pairs = [(run.member.config.data.options["rank"], _last_dimension(run)) for run in each]
        right = sum(found == rank for rank, found in pairs)
        off = max((abs(found - rank) for rank, found in pairs if not math.isnan(found)), default=0)
        there = sum(run.diagnosis.intrinsic_dimension is not None for run in each)
        yield (
            f"noise {noise:g}: the last layer shows the true rank in {right} of {len(pairs)} runs "
            f"and is off by at most {off:g}; {there} of the runs have collapsed layers."
        )


FIGURE = Figure(
    name="true-rank",
    title="Intrinsic dimension found in the collapsed layers, by true rank and noise",
    groups=("true-rank",),
    content=_maps,
    findings=_findings,
    order=160,
)
