"""Features of collapsed layers have the targets' intrinsic rank, not t."""

from deepnrc.experiments.paper.claim import Claim, Groups, Outcome, main_setting


def _test(groups: Groups) -> Outcome:
    parts, seen = [], []
    for name, runs in main_setting(groups).items():
        agreeing = cases = 0
        for run in runs:
            found = run.diagnosis.intrinsic
            collapsed = set(run.diagnosis.collapsed_layers)
            target, t = found.target_value, run.measurement.target_dim
            if not collapsed or target is None or target >= t:
                continue  # where the targets have t dimensions the two cannot be told apart
            cases += 1
            ranks = [rank for layer, rank in found.by_layer if layer in collapsed]
            agreeing += all(rank == target for rank in ranks)
            seen.append(f"{'/'.join(map(str, sorted(set(ranks), key=str)))} for {target} of {t}")
        parts.append((name, agreeing, cases))
    return Outcome(
        parts,
        "runs in which all collapsed layers have the targets' intrinsic dimension (99 % of the "
        "energy), among those whose targets have fewer than t dimensions",
        f"dimensions seen: {', '.join(sorted(set(seen))) or 'none'}",
    )


CLAIM = Claim(
    "Features of collapsed layers have the targets' intrinsic rank, not t.",
    ("sgemm-decay", "synthetic-decay", "hopper", "swimmer", "reacher"),
    _test,
    order=30,
)
