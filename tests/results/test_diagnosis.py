"""The judgement of a measurement: rules, thresholds, intrinsic dimension, Proposition 1."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from deepnrc import diagnose, measure
from deepnrc.errors import ArgumentError
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement
from reference.generators import centered_orthonormal, collapsed_problem, orthonormal

GOOD = {
    "noise_component": 0.01,
    "signal_target_cka": 0.95,
    "feature_weight_alignment": 0.9,
    "linear_prediction_mse": 0.011,
}


def layer(name, *, eigenvalues=(3.0, 2.0, 0.01), undefined=(), **values):
    """A layer's record: collapsed to two dimensions unless told otherwise."""
    kinds = {field.name: field.type for field in dataclasses.fields(LayerMeasurement)}
    record = {
        key: {"float": 0.5, "int": 2}.get(_name(kind), "linear") for key, kind in kinds.items()
    }
    record |= {
        "name": name,
        "random_alignment": 0.25,
        "linear_prediction_floor": 1e-12,
        "stable_rank": sum(eigenvalues) / eigenvalues[0],
        "bound_residual": 0.1,
        "bound": 0.3,
        "eigenvalues": eigenvalues,
        "undefined": dict(undefined),
        "notes": (),
        "collapse": None,
        "extra": {},
        "role": "path",
        "at_target_rank": None,
        **GOOD,
        **values,
    }
    return LayerMeasurement(**record)


def _name(kind):
    return kind if isinstance(kind, str) else getattr(kind, "__name__", "")


def measurement(*layers, model_mse=0.01, target_eigenvalues=(1.5, 0.5), undefined=()):
    return Measurement(
        model="Net",
        layers=layers,
        samples=100,
        batches=2,
        target_dim=len(target_eigenvalues),
        signal_rank=2,
        model_mse=model_mse,
        model_r2=0.99,
        target_mean=(0.0, 0.0),
        target_eigenvalues=target_eigenvalues,
        center=True,
        intercept=True,
        rcond=1e-3,
        reduce="mean",
        precision="mixed",
        state_bytes=0,
        skipped=(),
        undefined=dict(undefined),
    )


def undefined_layer(name, metric, reason):
    return layer(name, **{metric: math.nan}, undefined={metric: reason})


def conditions(diagnosis, name):
    verdict = next(v for v in diagnosis.verdicts if v.layer == name)
    return {c.name: c for c in verdict.conditions}


def test_the_first_collapsed_layer_begins_the_run_that_ends_the_network():
    broken = layer("b", noise_component=0.5)
    diagnosis = diagnose(measurement(layer("a"), broken, layer("c"), layer("d")))
    assert diagnosis.first_collapsed_layer == "c"
    assert diagnosis.collapsed_layers == ("c", "d")
    assert [v.satisfied for v in diagnosis.verdicts] == [True, False, True, True]
    assert [v.collapsed for v in diagnosis.verdicts] == [False, False, True, True]
    assert diagnosis.headline == (
        "Collapsed from c on: 2 of 4 layers satisfy all four conditions (by NRC1 alone: c)."
    )


def test_a_last_layer_that_fails_means_no_collapse():
    diagnosis = diagnose(measurement(layer("a"), layer("b"), layer("c", signal_target_cka=0.5)))
    assert diagnosis.first_collapsed_layer is None
    assert diagnosis.collapsed_layers == ()
    assert diagnosis.intrinsic_dimension is None
    assert diagnosis.headline.startswith("Not collapsed: ")
    assert "by NRC1 alone: a" in diagnosis.headline
    assert "Intrinsic dimension: none: no layer is collapsed" in str(diagnosis)


def test_rule_nrc1_looks_at_nothing_else():
    m = measurement(layer("a", noise_component=0.5), layer("b", signal_target_cka=0.1))
    alone = diagnose(m, rule="nrc1")
    assert alone.rule == "nrc1"
    assert alone.first_collapsed_layer == "b"
    assert alone.collapsed_layers == ("b",)
    assert diagnose(m).first_collapsed_layer is None
    assert dict(alone.first_collapsed_by_rule) == {"all": None, "nrc1": "b"}
    assert "satisfy NRC1 alone (by all four conditions: no layer)" in alone.headline


@pytest.mark.parametrize(
    ("metric", "condition", "at", "beyond", "text"),
    [
        ("noise_component", "nrc1", 0.1, 0.1001, "NRC1 0.100 > 0.1"),
        ("signal_target_cka", "nrc2", 0.8, 0.7999, "NRC2 0.800 < 0.8"),
        ("feature_weight_alignment", "nrc3", 0.8, 0.799, "NRC3 0.799 < 0.8"),
        ("linear_prediction_mse", "nrc4", 0.015, 0.0151, "NRC4 0.015 > 0.015"),
    ],
)
def test_a_value_at_its_threshold_satisfies(metric, condition, at, beyond, text):
    for value, satisfied in ((at, True), (beyond, False)):
        diagnosis = diagnose(measurement(layer("a", **{metric: value})))
        found = conditions(diagnosis, "a")[condition]
        assert found.satisfied is satisfied
        assert diagnosis.verdicts[0].satisfied is satisfied
        if not satisfied:
            assert found.explanation.startswith(text)
            assert f"a: {found.explanation}" in str(diagnosis)  # which condition failed where


def test_thresholds_are_arguments_and_always_printed():
    m = measurement(layer("a", noise_component=0.2))
    assert diagnose(m).thresholds.describe() == (
        "NRC1 ≤ 0.1, NRC2 ≥ 0.8, NRC3 ≥ 0.8, NRC4 ≤ 1.5 × the model's MSE + 1e-10 × the targets' "
        "variance; intrinsic dimension at 99% of the energy"
    )
    loose = diagnose(m, noise_tol=0.25, error_factor=3.0, energy=0.5)
    assert loose.first_collapsed_layer == "a"
    assert loose.intrinsic_dimension == 1
    assert "Thresholds: NRC1 ≤ 0.25, NRC2 ≥ 0.8" in str(loose)
    assert "NRC4 ≤ 3 × the model's MSE" in str(loose)
    assert "intrinsic dimension at 50% of the energy" in str(loose)


def test_nrc3_stands_beside_its_chance():
    found = conditions(diagnose(measurement(layer("a"))), "a")["nrc3"]
    assert found.explanation == "NRC3 0.900 ≥ 0.8 (unrelated subspaces: 0.250)"


def test_the_error_floor_excuses_a_model_that_fits_to_rounding():
    m = measurement(layer("a", linear_prediction_mse=5e-11), model_mse=1e-20)
    found = conditions(diagnose(m), "a")["nrc4"]  # the targets' variance a dimension is 1
    assert found.satisfied
    strict = conditions(diagnose(m, error_floor=0.0), "a")["nrc4"]
    assert not strict.satisfied
    assert "the model's own MSE is 1.0e-20" in strict.explanation
    assert "rounding" not in strict.explanation


def test_a_miss_within_rounding_is_said_to_be_one():
    m = measurement(
        layer("a", linear_prediction_mse=2e-9, linear_prediction_floor=5e-9), model_mse=1e-20
    )
    found = conditions(diagnose(m), "a")["nrc4"]
    assert not found.satisfied
    assert found.explanation.endswith("; within rounding (5.0e-09) of the limit")


@pytest.mark.parametrize(
    ("metric", "condition"),
    [
        ("noise_component", "nrc1"),
        ("signal_target_cka", "nrc2"),
        ("feature_weight_alignment", "nrc3"),
        ("linear_prediction_mse", "nrc4"),
    ],
)
def test_an_undefined_condition_is_not_satisfied_and_says_why(metric, condition):
    m = measurement(layer("a"), undefined_layer("b", metric, "one sample has no variance"))
    diagnosis = diagnose(m)
    found = conditions(diagnosis, "b")[condition]
    assert found.satisfied is None
    assert found.explanation == f"{condition.upper()} undefined: one sample has no variance"
    assert diagnosis.first_collapsed_layer is None
    assert found.explanation in str(diagnosis)


def test_a_model_without_an_error_of_its_own_leaves_nrc4_undefined():
    m = measurement(
        layer("a"), model_mse=math.nan, undefined={"model_mse": "the model returned a dict"}
    )
    diagnosis = diagnose(m)
    found = conditions(diagnosis, "a")["nrc4"]
    assert (found.satisfied, found.explanation) == (
        None,
        "NRC4 undefined: the model returned a dict",
    )
    assert diagnosis.first_collapsed_layer is None
    assert diagnose(m, rule="nrc1").first_collapsed_layer == "a"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"rule": "nrc2"}, "rule must be 'all' or 'nrc1'; got 'nrc2'"),
        ({"noise_tol": 1.5}, "noise_tol must be at least 0 and at most 1; got 1.5"),
        ({"cka_tol": -0.1}, "cka_tol must be at least 0 and at most 1; got -0.1"),
        ({"alignment_tol": math.nan}, "alignment_tol must be at least 0 and at most 1; got nan"),
        ({"error_factor": -1.0}, "error_factor must be at least 0 and at most inf; got -1.0"),
        ({"energy": 0.0}, "energy must be above 0 and at most 1; got 0.0"),
    ],
)
def test_thresholds_out_of_range_are_refused_by_name(argument, message):
    with pytest.raises(ArgumentError) as error:
        diagnose(measurement(layer("a")), **argument)
    assert str(error.value) == message


def test_intrinsic_dimension_with_all_evidence_agreeing():
    spectrum = (3.0, 2.0, 0.01)
    diagnosis = diagnose(
        measurement(layer("a", eigenvalues=(1.0, 1.0, 1.0)), layer("b", eigenvalues=spectrum))
    )
    intrinsic = diagnosis.intrinsic
    assert (intrinsic.value, intrinsic.gap, intrinsic.target_value) == (2, 2, 2)
    assert intrinsic.by_layer == (("a", 3), ("b", 2))
    assert intrinsic.feature_stable_rank == pytest.approx(5.01 / 3)
    assert intrinsic.target_stable_rank == pytest.approx(2 / 1.5)
    assert intrinsic.disagreements == ("other collapsed layers give a 3",)
    text = str(diagnosis)
    assert "Intrinsic dimension: 2" in text
    assert "directions that hold 99% of the feature energy: a 3, b 2" in text
    assert "stable rank of the targets 1.333" in text
    assert "largest fall of the spectrum after 2, stable rank 1.670" in text


def test_disagreements_are_said_in_words():
    spectrum = (1.0, 0.5, 0.001)  # falls most after 2, as the other layer's
    m = measurement(
        layer("a", eigenvalues=spectrum),
        layer("b", eigenvalues=(1.0, 0.009, 0.001)),
        target_eigenvalues=(1.0, 0.5, 0.25),
    )
    intrinsic = diagnose(m).intrinsic
    assert intrinsic.value == 1
    assert intrinsic.disagreements == (
        "other collapsed layers give a 2",
        "the targets themselves give 3",
    )
    for text in intrinsic.disagreements:
        assert f"these disagree: {text}" in str(diagnose(m))
    uneven = layer("a", eigenvalues=(1.0, 0.5, 0.4, 0.0001))
    m = measurement(uneven, target_eigenvalues=(1.0, 0.9, 0.8))
    assert diagnose(m, energy=0.7).intrinsic.disagreements == ("the spectrum falls most after 3",)


def test_a_small_direction_before_a_large_fall_is_one_of_the_dimensions():
    spectrum = (1.0, 0.05, 1e-6)
    m = measurement(layer("a", eigenvalues=spectrum), target_eigenvalues=(1.0, 0.05))
    intrinsic = diagnose(m).intrinsic
    assert (intrinsic.value, intrinsic.gap, intrinsic.disagreements) == (2, 2, ())


def test_a_perfect_model_with_a_perfect_layer_satisfies_nrc4():
    m = measurement(layer("a", linear_prediction_mse=0.0), model_mse=0.0)
    assert conditions(diagnose(m, error_floor=0.0), "a")["nrc4"].satisfied


@pytest.mark.parametrize("trailing", [0.0, 1e-17])
@pytest.mark.parametrize("energy", [0.99, 1.0])
def test_a_rank_one_spectrum_has_dimension_one(trailing, energy):
    m = measurement(
        layer("a", eigenvalues=(2.0, trailing, trailing)), target_eigenvalues=(1.0, 0.0)
    )
    intrinsic = diagnose(m, energy=energy).intrinsic
    assert (intrinsic.value, intrinsic.gap, intrinsic.target_value) == (1, 1, 1)
    assert intrinsic.disagreements == ()


def test_constant_targets_leave_the_targets_dimension_undefined():
    diagnosis = diagnose(measurement(layer("a"), target_eigenvalues=(0.0, 0.0)), rule="nrc1")
    assert diagnosis.intrinsic.target_value is None
    assert math.isnan(diagnosis.intrinsic.target_stable_rank)
    assert "the same of the targets: undefined" in str(diagnosis)


def test_the_bound_that_holds_is_shown_and_where_the_published_one_fails():
    m = measurement(
        layer("a", spectral_bound=0.25),
        layer("b", bound_residual=0.4, spectral_bound=0.45),
        layer("c", bound=math.nan, bound_residual=math.nan),
        layer(
            "d", bound_residual=0.3 + 5e-8, spectral_bound=math.nan
        ),  # roots of rounding do not decide
    )
    diagnosis = diagnose(m)
    assert [check.holds for check in diagnosis.bounds] == [True, False, None, True]
    text = str(diagnosis)
    assert text.endswith(
        "\nShare of the features that the targets do not explain, at most (NRC1, NRC2, spectra):\n"
        "  a: 0.100 ≤ 0.250\n"
        "  b: 0.400 ≤ 0.450\n"
        "  c: undefined, as its NRC1 or NRC2 is\n"
        "  d: 0.300, its bound was not recorded then\n"
        "  the published bound of it, √NRC1 + √(1 − NRC2) (Proposition 1), does not hold at b "
        "(0.400 > 0.300)"
    )


def test_the_published_bound_is_not_mentioned_where_it_holds():
    assert "Proposition 1" not in str(diagnose(measurement(layer("a", spectral_bound=0.25))))


def linear_model(*weights):
    layers = []
    for weight in weights:
        weight = torch.as_tensor(np.array(weight))
        layers.append(nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype))
        with torch.no_grad():
            layers[-1].weight.copy_(weight)
    return nn.Sequential(*layers)


def test_the_published_bound_fails_on_the_counterexample(rng):
    """H = (q1, √.1 q2, 0), Y = (q1, √.1 q3): residual .302, bound .0995."""
    Q = torch.tensor(centered_orthonormal(rng, 40, 3))
    H = Q * torch.tensor([1, 0.1, 0]).sqrt()
    Y = torch.stack([Q[:, 0], 0.1**0.5 * Q[:, 2]], 1)
    check = diagnose(measure(linear_model(np.eye(3)[:2]), [(H, Y)], progress=False)).bounds[0]
    assert check.residual == pytest.approx((0.1 / 1.1) ** 0.5, rel=1e-6)
    assert check.bound == pytest.approx((1 - 1 / 1.01) ** 0.5, rel=1e-5)
    assert check.holds is False
    assert check.residual <= check.spectral


def test_a_hand_made_network_collapses_where_it_was_made_to(rng):
    """Random inputs, a weight that keeps the two signal directions, and a readout of them."""
    H, Y, W = collapsed_problem(rng, 400, 12, 2, 0.5)
    keep = orthonormal(rng, 9, 2)
    model = linear_model(keep @ W, W[:, :2] @ np.linalg.inv(W[:, :2]) @ keep.T)
    diagnosis = diagnose(measure(model, [(torch.tensor(H), torch.tensor(Y))], progress=False))
    assert diagnosis.first_collapsed_layer == "1"
    assert diagnosis.intrinsic_dimension == 2
    failed = [c.name for c in diagnosis.verdicts[0].conditions if not c.satisfied]
    assert "nrc1" in failed


def test_nrc3_of_a_layer_that_applies_no_matrix_is_left_out_of_the_verdict():
    reason = "the layer's output is not W h + b and it is not linear: it differs"
    unknown = {
        "feature_weight_alignment": math.nan,
        "undefined": {"feature_weight_alignment": reason},
    }
    m = measurement(layer("a", weight_source="undefined", **unknown), layer("b"))
    diagnosis = diagnose(m)
    assert diagnosis.collapsed_layers == ("a", "b")
    assert f"a: NRC3 undefined: {reason}; left out of the verdict" in str(diagnosis)
    assert diagnose(measurement(layer("a", **unknown), layer("b"))).collapsed_layers == ("b",)
    reason = "the weight reads alike 3 directions, so that no 2 of them lead"
    tie = {"feature_weight_alignment": reason}
    even = layer("a", feature_weight_alignment=math.nan, undefined=tie)
    assert diagnose(measurement(even, layer("b"))).collapsed_layers == ("a", "b")


def test_targets_of_unlike_units_are_not_of_low_rank(rng):
    """A last layer that is exact in targets of units 1e4 apart, and the same in alike units."""
    H = torch.tensor(rng.standard_normal((300, 6))) * torch.tensor([1, 1, 1e-3, 1e-3, 1e-3, 1e-3])
    for unit in (1.0, 1e4, 1e-4):
        scale = torch.tensor([1.0, unit, 1, 1, 1, 1], dtype=torch.float64)
        Y = (H * scale)[:, :2]
        m = measure(linear_model(np.eye(6)[:2]), [(H * scale, Y)], progress=False)
        assert m[0].at_target_rank is None
        assert diagnose(m, rule="nrc1").collapsed_layers == ("0",)
