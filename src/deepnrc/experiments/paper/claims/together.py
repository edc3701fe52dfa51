"""After the first collapsed layer the four conditions hold together."""

from deepnrc.experiments.paper.claim import ALL, Claim, Groups, Outcome, main_setting


def _test(groups: Groups) -> Outcome:
    parts, layers = [], []
    for name, runs in main_setting(groups).items():
        firsts = [(run, dict(run.diagnosis.first_collapsed_by_rule)) for run in runs]
        collapsed = [(run, first) for run, first in firsts if first["nrc1"] is not None]
        parts.append((name, sum(f["nrc1"] == f["all"] for _, f in collapsed), len(collapsed)))
        after = [
            v.satisfied
            for run, first in collapsed
            for v in run.diagnosis.verdicts[run.measurement.names.index(str(first["nrc1"])) :]
        ]
        layers += [f"{name} {sum(after)} of {len(after)}"] if after else []
    return Outcome(
        parts,
        "runs whose first collapsed layer is the same by NRC1 and by all four conditions, among "
        "those that have one by NRC1",
        f"layers from there on that meet all four conditions: {'; '.join(layers)}",
    )


CLAIM = Claim(
    "After the first collapsed layer the four conditions hold together.", ALL, _test, order=20
)
