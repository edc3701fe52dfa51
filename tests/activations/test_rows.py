import numpy as np
import pytest
import torch

from deepnrc.activations.rows import check_owners, check_reduce, custom_rows, reduced_rows
from deepnrc.errors import ArgumentError, LayerError
from deepnrc.support.undefined import Undefined
from reference import rows as twin


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rows_of(x, rule, axes=0, mask=None):
    """Rows of an activation whose first axis is the sample."""
    features = x.movedim(-1 - axes, -1)
    return reduced_rows(features, rule, spatial=axes > 0, mask=mask).values


@pytest.mark.parametrize("positions", [(7,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 0, 2, -2])
def test_linear_rules_are_the_twins(positions, rule):
    x = drawn(5, *positions, 6)
    got = rows_of(x, rule)
    np.testing.assert_allclose(got.numpy(), twin.linear_rows(x, rule), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spatial", [(7,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("rule", ["mean", "samples"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_convolution_rules_are_the_twins(spatial, rule, layout):
    x = drawn(5, 6, *spatial)
    if layout == "channels_last":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    got = rows_of(x, rule, len(spatial))
    np.testing.assert_allclose(got.numpy(), twin.conv_rows(x, rule), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["first", "last", 3])
def test_one_tokens_rule_leaves_convolutions_their_mean(rule):
    x = drawn(5, 6, 3, 4)
    got = rows_of(x, rule, 2)
    np.testing.assert_allclose(got.numpy(), twin.conv_rows(x, "mean"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 4])
def test_a_matrix_is_rows_already(rule):
    x = drawn(5, 6)
    assert torch.equal(rows_of(x, rule), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_averaged_in_single(dtype):
    x = torch.full((1, 3000, 2), 1.0, dtype=dtype)
    x[:, ::2] = 1.0 + torch.finfo(dtype).eps
    rows = rows_of(x, "mean")
    assert rows.dtype == torch.float32
    expected = 1.0 + torch.finfo(dtype).eps / 2  # half precision itself would lose the half
    torch.testing.assert_close(rows, torch.full((1, 2), expected), rtol=1e-6, atol=0)


def test_double_stays_double():
    x = drawn(2, 3, 4).double()
    rows = rows_of(x, "mean")
    assert rows.dtype == torch.float64


def test_a_function_gets_name_and_activation():
    x = drawn(5, 7, 6)
    seen = []

    def pool(name, activation):
        seen.append((name, activation.shape))
        return activation[:, 2:4].mean(1)

    rows = custom_rows(pool, "fc9", x, 6, batch=None)
    assert seen == [("fc9", (5, 7, 6))]
    assert torch.equal(rows.values, x[:, 2:4].mean(1))
    assert rows.samples is None


def test_a_function_may_take_the_batch_and_say_whose_the_rows_are():
    x = drawn(5, 7, 6)

    def routed(name, activation, batch):
        return activation[batch, 0], torch.tensor(batch)

    rows = custom_rows(routed, "fc", x, 6, batch=[3, 1])
    assert torch.equal(rows.values, x[[3, 1], 0])
    assert rows.samples.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("reduce", "got"),
    [
        (lambda name, x: x, r"a \(rows, 6\) tensor; got \(5, 7, 6\)"),
        (lambda name, x: x.transpose(1, 2), r"a \(rows, 6\) tensor; got \(5, 6, 7\)"),
        (lambda name, x: x[:, 0, :4], r"a \(rows, 6\) tensor; got \(5, 4\)"),
        (
            lambda name, x: (x[:, 0], torch.arange(4)),
            r"the number of the sample of each of its 5 rows; got \(4,\) of torch.int64",
        ),
        (
            lambda name, x: (x[:, 0], torch.ones(5, dtype=torch.bool)),
            r"the number of .* its 5 rows; got \(5,\) of torch.bool",
        ),
        (
            lambda name, x: (x[:, 0], torch.rand(5)),
            r"the number of .* its 5 rows; got \(5,\) of torch.f",
        ),
    ],
)
def test_a_functions_result_must_be_rows(reduce, got):
    with pytest.raises(LayerError, match=rf"layer 'fc': reduce= must return {got}"):
        custom_rows(reduce, "fc", drawn(5, 7, 6), 6, batch=None)


def test_numbers_of_samples_that_the_batch_does_not_have():
    """A negative number would take a sample from the end in silence."""
    for numbers, got in (([0, 1, 2, 3, 4], 4), ([0, -1, 1, 1, 2], -1)):
        rows = custom_rows(lambda n, x, of: (x, of), "fc", drawn(5, 6), 6, batch=numbers)
        with pytest.raises(LayerError) as caught:
            check_owners(rows, 4, "fc")
        assert str(caught.value) == (
            "layer 'fc': reduce= must return numbers of samples from 0 to 3, counted within the "
            f"batch; got {got}"
        )
    check_owners(custom_rows(lambda n, x: (x, [3, 0]), "fc", drawn(2, 6), 6, batch=None), 4, "fc")
    check_owners(custom_rows(lambda n, x: (x, []), "fc", drawn(0, 6), 6, batch=None), 4, "fc")


@pytest.mark.parametrize("position", [7, -8])
def test_a_position_beyond_the_input_is_undefined(position):
    got = reduced_rows(drawn(5, 7, 6), position, spatial=False)
    assert isinstance(got, Undefined)
    assert got.reason.startswith("reduce must be one of the 7 positions of its input; got ")


def test_samples_say_whose_rows_they_are_and_where():
    x = drawn(2, 3, 4, 6)
    rows = reduced_rows(x, "samples", spatial=False)
    assert rows.grid == (3, 4)
    for value, sample, position in zip(rows.values, rows.samples, rows.positions, strict=True):
        assert torch.equal(value, x[sample].reshape(12, 6)[position])


MASK = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("mean", lambda x: [x[0, :2].mean(0), x[1, 1:].mean(0), x[2, 0]]),
        ("first", lambda x: [x[0, 0], x[1, 1], x[2, 0]]),
        ("last", lambda x: [x[0, 1], x[1, 3], x[2, 0]]),
        (1, lambda x: [x[0, 1], x[1, 2], x[2, 0]]),
        (-2, lambda x: [x[0, 0], x[1, 2], x[2, 0]]),
    ],
)
def test_masked_positions_do_not_count(rule, expected):
    x = drawn(4, 4, 6)
    x[~MASK] = float("nan")  # what is padded may hold anything
    rows = rows_of(x, rule, mask=MASK)
    torch.testing.assert_close(rows[:3], torch.stack(expected(x)))


def test_masked_samples_leave_rows_out():
    x = drawn(4, 4, 6)
    rows = reduced_rows(x, "samples", spatial=False, mask=MASK)
    assert torch.equal(rows.values, x[MASK])
    assert rows.samples.tolist() == [0, 0, 1, 1, 1, 2]
    assert rows.positions.tolist() == [0, 1, 1, 2, 3, 0]


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
