"""The benchmark compares like with like: its dense twin computes what `measure` does."""

import pytest
from benchmarks.cases import floor, mlp, mlp_batches
from benchmarks.dense import dense_twin

from deepnrc import measure


def test_the_dense_twin_computes_the_same_values():
    model, batches = mlp(256), mlp_batches(400, 150)
    measurement = measure(model, batches, progress=False)
    # float32 features on both sides; where t fills the width (fc8 has none) nothing is left out.
    for record, dense in zip(measurement, dense_twin(model, batches), strict=True):
        noise, cka, aligned, error = dense
        assert record.noise_component == pytest.approx(noise, rel=1e-6)
        assert record.signal_target_cka == pytest.approx(cka, rel=1e-6)
        assert record.feature_weight_alignment == pytest.approx(aligned, rel=1e-5)
        assert record.linear_prediction_mse == pytest.approx(error, rel=1e-5, abs=1e-9)


def test_the_floor_counts_the_operations_of_eight_square_layers():
    """One Gram triangle a layer input, (1 + ½) of a square layer, and the narrow ends."""
    d, ends = 256, 20 * 256 + 256 * 4
    forward, grams = 2 * (6 * d * d + ends), 20**2 + 7 * d * d
    batch = mlp_batches(2000, 2000)[0][0]
    # A few units of a random network are dead on 2000 samples.
    assert floor(mlp(d), batch) == pytest.approx((forward + grams) / forward, rel=0.02)
