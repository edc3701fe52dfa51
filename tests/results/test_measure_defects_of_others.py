"""Defects found in other programs: most tests show the defect, all show that it is absent here."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from deepnrc import diagnose, measure
from deepnrc.metrics.alignment import signal_target_cka
from deepnrc.metrics.spectrum import noise_component
from deepnrc.moments.accumulator import MomentAccumulator
from helpers import (
    assert_moments,
    in_batches,
    layer_of,
    quiet,
    regression_data,
    seeded,
    small_network,
)
from reference import alignment
from reference.generators import collapsed_problem, features_with_spectrum, orthonormal
from twins import accumulated, view_of, view_of_moments


def readout(width, t, *, dtype=torch.float64):
    """One linear layer; its features are the data."""
    return nn.Linear(width, t, dtype=dtype)


def test_cka_of_the_first_t_coordinates_changes_when_features_are_rotated(rng):
    """Released code takes the first t columns of H: 0.3 to 0.9 for the same representation."""
    H, Y, _ = collapsed_problem(rng, 300, 8, 2, 0.18, target_variances=[1.0, 0.3])
    truth = alignment.signal_target_cka(H, Y, 2)
    assert truth == pytest.approx(0.961, abs=0.01)
    cut = []
    for _ in range(20):
        rotated = H @ orthonormal(rng, 8, 8)
        cut.append(alignment.linear_cka(rotated[:, :2], Y))
        assert signal_target_cka(view_of(rotated, Y)) == pytest.approx(truth, rel=1e-10)
    assert max(cut) - min(cut) > 0.3


def test_a_mean_of_1000_does_not_drown_float32_features(rng):
    """Uncentred float32 sums, E[hh'] − E[h]E[h]', lose the variation: 0.97 becomes any value."""
    H, Y, _ = collapsed_problem(rng, 4096, 256, 3, 0.02, feature_mean=1000.0)
    H = H.astype(np.float32)
    truth = signal_target_cka(view_of(H, Y))
    assert truth > 0.95
    Y32, mean = Y.astype(np.float32), H.mean(0)
    naive_cross = H.T @ Y32 / len(H) - np.outer(mean, Y32.mean(0))
    naive_covariance = H.T @ H / len(H) - np.outer(mean, mean)
    naive = (
        (naive_cross**2).sum()
        / np.linalg.norm(naive_covariance)
        / np.linalg.norm(Y32.T @ Y32 / len(Y))
    )
    assert abs(naive - truth) > 0.5
    for precision in ("mixed", "double"):
        moments = accumulated(H, Y, dtype=torch.float32, precision=precision)
        assert signal_target_cka(view_of_moments(moments)) == pytest.approx(truth, rel=1e-6)


def test_raw_float32_sums_misstate_a_small_noise_component(rng):
    """Features of mean 30 and deviation 1.4: a float32 Gram matrix reads 2e-5 for 5e-7."""
    spread = np.r_[[1.0] * 3, [5e-7 * 3 / 197] * 197] * 1.4**2 * 200 / 3
    H = features_with_spectrum(rng, 4096, 200, spread, mean=30.0).astype(np.float32)
    Y = np.ones((4096, 3))
    truth = noise_component(view_of(H, Y))
    assert truth == pytest.approx(5e-7, rel=0.2)
    mean = H.mean(0)
    values = np.linalg.eigvalsh((H.T @ H / len(H) - np.outer(mean, mean)).astype(np.float64))[::-1]
    assert np.abs(values[3:]).sum() / np.abs(values).sum() > 10 * truth
    found = noise_component(view_of_moments(accumulated(H, Y, dtype=torch.float32)))
    assert found == pytest.approx(truth, rel=1e-4)


def test_memory_does_not_grow_with_the_samples_and_no_kernel_is_built(generator):
    """100 000 rows from a generator: an N × N kernel would take 80 GB; the state takes 100 kB."""

    def rows():
        for _ in range(100):
            H = torch.randn(1000, 16, generator=generator)
            yield H, H[:, :2]

    measurement = measure(readout(16, 2, dtype=torch.float32), rows(), progress=False)
    assert measurement.samples == 100_000
    assert measurement.state_bytes < 1e6
    assert measurement[0].linear_r2 == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("size", [1, 7, 64, 99, 100, 1000])
def test_a_smaller_last_batch_has_the_weight_of_its_samples(generator, size):
    """Averages over batches give a last batch of one sample the weight of a full one."""
    X = torch.randn(100, 5, generator=generator, dtype=torch.float64)
    X[99] += 20  # in the last batch alone
    loader = DataLoader(TensorDataset(X, X[:, :2].sin()), batch_size=size)
    model = readout(5, 2)
    whole = measure(model, [(X, X[:, :2].sin())], progress=False)
    found = measure(model, loader, progress=False)
    assert found.model_mse == pytest.approx(whole.model_mse, rel=1e-12)
    assert found[0].values == pytest.approx(whole[0].values, rel=1e-10)


def test_an_exactly_rank_one_covariance_has_intrinsic_dimension_one(generator):
    """Counting eigenvalues above a threshold that rank 1 never reaches gives 0."""
    x = torch.randn(50, 1, generator=generator, dtype=torch.float64)
    H = x * torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64) + 5
    model = readout(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0, 2.0]]) / 9)
        model.bias.fill_(-25 / 9)
    diagnosis = diagnose(measure(model, [(H, x)], progress=False))
    assert diagnosis.first_collapsed_layer == ""
    assert diagnosis.intrinsic_dimension == 1
    assert diagnosis.intrinsic.target_value == 1
    assert diagnosis.intrinsic.disagreements == ()


def test_a_shuffling_loader_pairs_every_sample_with_its_own_target(generator):
    """With a pass per layer, features in one order meet targets in another; one pass avoids it."""
    X = torch.randn(200, 6, generator=generator, dtype=torch.float64)
    Y = torch.stack([X[:, 0], X[:, 1] ** 3], 1)
    model = nn.Sequential(readout(6, 12), nn.Tanh(), readout(12, 2))
    loader = DataLoader(
        TensorDataset(X, Y), batch_size=30, shuffle=True, generator=torch.Generator().manual_seed(1)
    )
    ordered = measure(model, [(X, Y)], progress=False)
    shuffled = measure(model, loader, progress=False)
    for name in ordered.names:
        assert shuffled[name].values == pytest.approx(ordered[name].values, rel=1e-10)
    assert shuffled.model_mse == pytest.approx(ordered.model_mse, rel=1e-12)
    # The test would notice: with the targets in another order, the similarity is gone.
    order = torch.randperm(200, generator=generator)
    wrong = measure(model, [(X, Y[order])], progress=False)
    assert wrong["2"].linear_cka < 0.2 * ordered["2"].linear_cka


@pytest.mark.parametrize("batch", [2, 4])
def test_batches_smaller_than_the_signal_rank_give_the_same_cka(generator, batch):
    """HSIC of a batch of a few samples is NaN or negative; that of all data is neither."""
    H = torch.randn(60, 9, generator=generator, dtype=torch.float64)
    Y = H[:, :5] + torch.randn(60, 5, generator=generator, dtype=torch.float64)
    accumulator = MomentAccumulator(9, 5)
    for start in range(0, 60, batch):
        accumulator.add(H[start : start + batch], Y[start : start + batch])
    found = signal_target_cka(view_of_moments(accumulator.result()))
    expected = alignment.signal_target_cka(H.numpy(), Y.numpy(), 5)
    assert found == pytest.approx(expected, rel=1e-10)


def test_all_tokens_count_not_only_the_last():
    """Code for tokens that keeps the last one only does not see the others change."""
    x, y = regression_data(30, shape=(5,))
    with seeded():
        model = nn.Sequential(nn.Linear(8, 4), nn.Flatten(), nn.Linear(20, 2))
    whole = quiet(model, [(x, y)]).layers[0]
    assert_moments(whole, x.mean(1), y, rtol=1e-6)
    changed = x.clone()
    changed[:, 0] += 3.0 * torch.randn(30, 8, generator=torch.Generator().manual_seed(9))
    other = quiet(model, [(changed, y)]).layers[0]
    assert not torch.allclose(whole.moments.feature_covariance, other.moments.feature_covariance)


def test_one_forward_pass_serves_all_layers():
    """A pass per layer takes as many times as long as there are layers."""
    with seeded():
        hidden = [part for _ in range(6) for part in (nn.Linear(8, 8), nn.ReLU(inplace=True))]
        model, calls = nn.Sequential(*hidden, nn.Linear(8, 2)), []
    model.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    got = measure(model, in_batches(*regression_data(40)), progress=False)
    assert len(got) == 7
    assert calls == [9, 16, 16, 8]  # first a look at a little more than half a batch
    assert [layer.calls for layer in got] == [3] * 7


@pytest.mark.parametrize("depth", [1, 4])
def test_a_following_in_place_relu_does_not_alter_the_features(depth):
    """A ReLU(inplace=True) overwrites the tensor that the layer before it was given."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(8, 4), nn.Linear(8, 4)
            self.relu = nn.ReLU(inplace=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            left = self.left(x)
            x = self.relu(x)  # overwrites the tensor that `left` was given
            return self.head(self.relu(torch.cat([left, self.right(x)], 1)))

    with seeded():
        model = Shared()
    x, y = regression_data(40)
    collected = quiet(model, in_batches(x.clone(), y, size=40 // depth))
    assert_moments(layer_of(collected, "left"), x, y, rtol=1e-6)
    assert_moments(layer_of(collected, "right"), x.clamp(min=0), y, rtol=1e-6)


def test_float32_features_of_rank_one_have_rank_one():
    """Rounding leaves them a little noise, which the noise floor covers."""
    direction = torch.arange(1.0, 9.0)
    x = torch.linspace(-1, 1, 40)[:, None] * direction
    got = measure(small_network(t=1), [(x, x[:, :1])], progress=False)["0"]
    assert got.stable_rank == pytest.approx(1.0, abs=1e-9)
    assert got.entropy_rank == pytest.approx(1.0, abs=1e-6)
    assert got.noise_component <= got.noise_component_floor
