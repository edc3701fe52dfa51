import numpy as np
import pytest
import torch

from deepnrc.activations.rows import check_reduce, feature_rows
from deepnrc.errors import ArgumentError, LayerError
from reference import rows as twin


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("positions", [(7,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 0, 2, -2])
def test_linear_rules_are_the_twins(positions, rule):
    x = drawn(5, *positions, 6)
    got = feature_rows("fc", x, feature_dim=6, spatial_axes=0, reduce=rule)
    np.testing.assert_allclose(got.numpy(), twin.linear_rows(x, rule), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spatial", [(7,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("rule", ["mean", "samples"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_convolution_rules_are_the_twins(spatial, rule, layout):
    x = drawn(5, 6, *spatial)
    if layout == "channels_last":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    got = feature_rows("conv", x, feature_dim=6, spatial_axes=len(spatial), reduce=rule)
    np.testing.assert_allclose(got.numpy(), twin.conv_rows(x, rule), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["first", "last", 3])
def test_one_tokens_rule_leaves_convolutions_their_mean(rule):
    x = drawn(5, 6, 3, 4)
    got = feature_rows("conv", x, feature_dim=6, spatial_axes=2, reduce=rule)
    np.testing.assert_allclose(got.numpy(), twin.conv_rows(x, "mean"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 4])
def test_a_matrix_is_rows_already(rule):
    x = drawn(5, 6)
    assert torch.equal(feature_rows("fc", x, feature_dim=6, spatial_axes=0, reduce=rule), x)


def test_one_sample_without_its_axis_is_one_row():
    x = drawn(6)
    assert feature_rows("fc", x, feature_dim=6, spatial_axes=0, reduce="mean").shape == (1, 6)
    image = drawn(6, 3, 4)
    row = feature_rows("conv", image, feature_dim=6, spatial_axes=2, reduce="mean")
    np.testing.assert_allclose(row[0].numpy(), image.mean((1, 2)).numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_averaged_in_single(dtype):
    x = torch.full((1, 3000, 2), 1.0, dtype=dtype)
    x[:, ::2] = 1.0 + torch.finfo(dtype).eps
    rows = feature_rows("fc", x, feature_dim=2, spatial_axes=0, reduce="mean")
    assert rows.dtype == torch.float32
    expected = 1.0 + torch.finfo(dtype).eps / 2  # half precision itself would lose the half
    torch.testing.assert_close(rows, torch.full((1, 2), expected), rtol=1e-6, atol=0)


def test_double_stays_double():
    x = drawn(2, 3, 4).double()
    rows = feature_rows("fc", x, feature_dim=4, spatial_axes=0, reduce="mean")
    assert rows.dtype == torch.float64


def test_a_function_gets_name_and_activation():
    x = drawn(5, 7, 6)
    seen = []

    def pool(name, activation):
        seen.append((name, activation.shape))
        return activation[:, 2:4].mean(1)

    rows = feature_rows("fc9", x, feature_dim=6, spatial_axes=0, reduce=pool)
    assert seen == [("fc9", (5, 7, 6))]
    assert torch.equal(rows, x[:, 2:4].mean(1))


@pytest.mark.parametrize(
    ("reduce", "got"),
    [
        (lambda name, x: x, r"got \(5, 7, 6\)"),
        (lambda name, x: x.transpose(1, 2), r"got \(5, 6, 7\)"),
        (lambda name, x: x[:, 0, :4], r"got \(5, 4\)"),
    ],
)
def test_a_functions_result_must_be_rows(reduce, got):
    message = rf"layer 'fc': reduce= must return a \(rows, 6\) tensor; {got}"
    with pytest.raises(LayerError, match=message):
        feature_rows("fc", drawn(5, 7, 6), feature_dim=6, spatial_axes=0, reduce=reduce)


@pytest.mark.parametrize("position", [7, -8])
def test_a_position_beyond_the_input_is_an_error(position):
    message = f"'fc': reduce must be one of the 7 positions of its input; got {position}: count"
    with pytest.raises(LayerError, match=message):
        feature_rows("fc", drawn(5, 7, 6), feature_dim=6, spatial_axes=0, reduce=position)


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((5, 4), 0, r"layer 'x' takes 6 features; got an input of shape \(5, 4\): check"),
        ((), 0, r"takes 6 features; got an input of shape \(\)"),
        ((5, 4, 3, 3), 2, r"takes 6 channels before 2 spatial axes; .* \(5, 4, 3, 3\)"),
        ((5, 6), 2, r"takes 6 channels before 2 spatial axes; .* \(5, 6\)"),
        ((2, 5, 6, 3, 3), 2, r"takes 6 channels before 2 spatial axes; .* \(2, 5, 6, 3, 3\)"),
    ],
)
@pytest.mark.parametrize("rule", ["mean", "samples"])
def test_an_input_of_the_wrong_width_is_named(shape, axes, message, rule):
    with pytest.raises(LayerError, match=message):
        feature_rows("x", drawn(*shape), feature_dim=6, spatial_axes=axes, reduce=rule)


@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 0, -3, lambda name, x: x])
def test_known_rules_pass(rule):
    check_reduce(rule)


@pytest.mark.parametrize("rule", ["max", "", True, "Mean"])
def test_unknown_rules_are_refused(rule):
    message = (
        "reduce must be one of 'mean', 'first', 'last', 'samples', a position, or a function of "
        rf"\(layer name, activation\); got {rule!r}"
    )
    with pytest.raises(ArgumentError, match=message):
        check_reduce(rule)
