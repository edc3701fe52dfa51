"""Proposition 1: NRC1 and NRC2 bound the linear prediction error."""

from deepnrc.experiments.paper.claim import MLPS, Claim, Groups, Outcome, main_setting


def _test(groups: Groups) -> Outcome:
    parts, vacuous = [], 0
    for name, runs in main_setting(groups).items():
        checks = [c for run in runs for c in run.diagnosis.bounds if c.holds is not None]
        useful = [c for c in checks if c.bound < 1.0]
        vacuous += len(checks) - len(useful)
        parts.append((name, sum(c.holds is True for c in useful), len(useful)))
    return Outcome(
        parts,
        "(layer, seed) pairs at which the bound is below 1 and holds",
        f"at {vacuous} more it is not below 1 and says nothing",
        universal=True,
    )


CLAIM = Claim(
    "Proposition 1: NRC1 and NRC2 bound the linear prediction error.", MLPS, _test, order=90
)
