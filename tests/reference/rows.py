"""From an activation tensor to feature rows, by loops [RU26, section 4.2 and released code]."""

import itertools

import numpy as np


def linear_rows(x, rule):
    """Rows of x (samples, *positions, d) by "mean", "first", "last", an index, or "samples".

    Several position axes count as one, in row-major order; "samples" is sample-major.
    """
    x = np.asarray(x, dtype=np.float64)
    rows = []
    for sample in x:
        positions = [sample[index] for index in itertools.product(*map(range, sample.shape[:-1]))]
        rows += _chosen(positions, rule)
    return np.stack(rows)


def conv_rows(x, rule):
    """Rows of x (samples, channels, *spatial) by "mean" (global average) or "samples"."""
    x = np.asarray(x, dtype=np.float64)
    if rule not in ("mean", "samples"):
        raise ValueError(f"rule must be 'mean' or 'samples', got {rule!r}")
    rows = []
    for sample in x:
        positions = [
            sample[(slice(None), *index)]
            for index in itertools.product(*map(range, sample.shape[1:]))
        ]
        rows += _chosen(positions, rule)
    return np.stack(rows)


def _chosen(positions, rule):
    if rule == "samples":
        return positions
    if rule == "mean":
        return [sum(positions) / len(positions)]
    index = {"first": 0, "last": -1}.get(rule, rule)
    return [positions[index]]
