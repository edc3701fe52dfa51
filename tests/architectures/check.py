"""Runs a case: every value against its twin, roles, order and verdict; or its refusal."""

import math
from dataclasses import dataclass

import numpy as np

import deepnrc
from architectures.case import Refused, Right
from reference.network import NAMES, first_collapsed, layer_truth, nrc4_off, satisfied
from reference.prediction import model_mse
from reference.spectrum import energy_rank

FIELDS = {
    "nrc1": "noise_component",
    "nrc2": "signal_target_cka",
    "nrc3": "feature_weight_alignment",
    "nrc4": "linear_prediction_mse",
}


@dataclass(frozen=True)
class Outcome:
    """What a case showed: values compared and their largest deviation, or the message."""

    values: int = 0
    deviation: float = 0.0
    verdict: str = ""
    message: str = ""


def check(case):
    """The outcome of a case that is right.

    Raises:
        AssertionError: Something is not right; the message lists it.
    """
    built = case.build()
    return _refused(built) if isinstance(built, Refused) else _right(built)


def _refused(built: Refused):
    try:
        got = built.call()
    except built.error as error:
        message = str(error)
        missing = [text for text in built.texts if text not in message]
        assert not missing, f"the message {message!r} lacks {missing}"
        return Outcome(message=message)
    raise AssertionError(f"must be refused; gave\n{got}")


def _right(built: Right):
    found = built.call()
    targets = np.asarray(built.targets, dtype=np.float64)
    roles = {layer.name: layer.role for layer in found}
    wanted = {name: known.role for name, known in built.layers.items()}
    assert roles == wanted, f"roles {roles}, not {wanted}"
    path = [name for name, known in built.layers.items() if known.role == "path"]
    got = [layer.name for layer in found if layer.role == "path"]
    assert got == path, f"order {got}, not {path}"
    k = targets.shape[1]
    count, worst, wrong = 0, 0.0, []
    for name, known in built.layers.items():
        layer = found[name]
        if known.rows is None:
            assert layer.rows == 0, name
            continue
        truth = layer_truth(known.rows, known.matrix, _targets(known, targets), k)
        wrong += [] if layer.rows == len(known.rows) else [(name, "rows", layer.rows)]
        for short in NAMES:
            value, right = getattr(layer, FIELDS[short]), getattr(truth, short)
            off = deviation(value, right, short, targets)
            if short == "nrc4" and off > built.rtol:  # directions that moments hardly resolve
                doubt = layer.linear_prediction_floor
                assert doubt <= 0.01 * np.var(targets, 0).mean(), (name, doubt)
                off = max(nrc4_off(truth, value) - doubt, 0.0) / max(right, 1e-300)
            count, worst = count + 1, max(worst, off)
            if not off <= built.rtol:
                wrong.append((name, short, f"got {value:.9g}", f"right {right:.9g}"))
    own = math.nan if built.predictions is None else model_mse(built.predictions, targets)
    off = deviation(found.model_mse, own, "model_mse", targets)
    wrong += [] if off <= built.rtol else [("model_mse", found.model_mse, own)]
    assert not wrong, "\n".join(map(str, wrong))
    text = f"{found}\n{deepnrc.diagnose(found)}"
    missing = [said for said in built.says if said not in text]
    assert not missing, f"{missing} not in\n{text}"
    return Outcome(count, worst, verdict(found, built, path, targets, own))


def verdict(found, built, path, targets, own):
    """The diagnosis, checked against the twin's at the targets' own rank."""
    spread = targets.std(0)
    unit = targets / np.where(spread > 0, spread, 1.0)  # units make no target less of one
    rank = max(energy_rank(targets), energy_rank(unit))
    variance = float(targets.var(0).mean())
    conditions = []
    for name in path:
        known = built.layers[name]
        truth = layer_truth(known.rows, known.matrix, _targets(known, targets), rank)
        conditions.append(satisfied(truth, own, variance))
    diagnosis = deepnrc.diagnose(found)
    got = {v.layer: tuple(c.satisfied for c in v.conditions) for v in diagnosis.verdicts}
    assert got == dict(zip(path, conditions, strict=True)), f"{got}, not {conditions}"
    # Where no matrix is applied, NRC3 says nothing for or against.
    judged = [
        x if built.layers[name].matrix is not None else (*x[:2], True, x[3])
        for name, x in zip(path, conditions, strict=True)
    ]
    first = first_collapsed(judged)
    name = None if first is None else path[first]
    assert diagnosis.first_collapsed_layer == name, f"{diagnosis.headline}: not from {name}"
    return "not collapsed" if name is None else f"from `{name}`"


def _targets(known, targets):
    if known.targets is not None:
        return np.asarray(known.targets, dtype=np.float64)
    return targets if known.owners is None else targets[np.asarray(known.owners)]


def deviation(value, right, name, targets):
    """How far a value is off: of its own size, or of rounding where it is a small difference."""
    if math.isnan(value) or math.isnan(right):
        return 0.0 if math.isnan(value) and math.isnan(right) else math.inf
    # NRC1 is a share of the variance, NRC4 and the error are differences of it.
    scale = {"nrc1": 1.0}.get(name, float(np.var(targets, 0).mean()))
    scale = scale if name in ("nrc1", "nrc4", "model_mse") else 1.0
    return abs(value - right) / max(abs(right), 1e-3 * scale)


def matrix_of(layer):
    """The matrix that a linear module applies: its values at the unit vectors less that at 0."""
    import torch

    weight = next(layer.parameters())
    width = getattr(layer, "in_features", None) or weight.shape[0]
    basis = torch.cat([torch.zeros(1, width), torch.eye(width)]).to(weight.dtype)
    with torch.no_grad():
        values = layer(basis)
    return (values[1:] - values[:1]).T.double().numpy()
