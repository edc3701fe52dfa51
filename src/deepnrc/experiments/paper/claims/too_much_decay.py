"""Too much weight decay collapses everything and underfits."""

from typing import Any

from deepnrc.experiments.paper.claim import Claim, Groups, Outcome
from deepnrc.experiments.paper.runs import FinishedRun
from deepnrc.report.panels import median
from deepnrc.support.text import number

_COLLAPSED = 0.1  # the default of `deepnrc.diagnose`


def _test(groups: Groups) -> Outcome:
    """Under the largest decay, run by run: all after the input collapsed, the error doubled."""
    runs = groups["depth-decay-width"]
    by_decay = runs.by("weight_decay")
    most = max(by_decay)
    agreeing = collapsed = underfit = 0
    for run in by_decay[most]:
        alike = (run.seed, _other_settings(run))
        errors = [r.measurement.model_mse for r in runs if (r.seed, _other_settings(r)) == alike]
        # NaN, of features that are all 0, counts as collapsed.
        layers = run.measurement.layers[1:]
        everything = all(not layer.noise_component > _COLLAPSED for layer in layers)
        doubled = run.measurement.model_mse >= 2 * min(errors)
        collapsed, underfit = collapsed + everything, underfit + doubled
        agreeing += everything and doubled
    r2 = [
        f"{decay:g} {number(median([run.measurement.model_r2 for run in each]))}"
        for decay, each in by_decay.items()
    ]
    return Outcome(
        [("synthetic", agreeing, len(by_decay[most]))],
        f"runs with decay {most:g} in which every layer after the first has NRC1 ≤ {_COLLAPSED} "
        "or features that are all 0, and whose error is at least twice that under the best decay "
        "for the same depth, width and seed",
        f"the first condition alone {collapsed}, the second alone {underfit}; median R² by decay: "
        f"{'; '.join(r2)}",
    )


def _other_settings(run: FinishedRun) -> dict[str, Any]:
    settings = run.member.settings.items()
    return {key: value for key, value in settings if not key.endswith("weight_decay")}


CLAIM = Claim(
    "Too much weight decay collapses everything and underfits.",
    ("depth-decay-width",),
    _test,
    order=70,
)
