"""Low-rank targets show their true rank."""

from deepnrc.experiments.paper.claim import Claim, Groups, Outcome


def _test(groups: Groups) -> Outcome:
    cases = agreeing = nominal = 0
    for run in groups["true-rank"]:
        options, found = run.member.config.data.options, run.diagnosis.intrinsic
        if options["noise"] != 0 or options["rank"] >= run.measurement.target_dim:
            continue
        cases += 1
        last = found.by_layer[-1][1]
        agreeing += last == found.target_value
        nominal += last == options["rank"]
    return Outcome(
        [("synthetic", agreeing, cases)],
        "noise-free runs of rank below t whose last layer holds 99 % of its energy in as many "
        "directions as the targets",
        f"in as many as the teacher's width: {nominal}",
    )


CLAIM = Claim("Low-rank targets show their true rank.", ("true-rank",), _test, order=40)
