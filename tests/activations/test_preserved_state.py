"""Measuring is harmless: whatever happened inside, the model is as it was."""

import contextlib
import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import deepnrc
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import NonFiniteError
from helpers import (
    fingerprint,
    in_batches,
    in_plain_python,
    random_state,
    regression_data,
    seeded,
    small_network,
)


class Restless(nn.Module):
    """Writes, replaces, adds, empties and reshapes buffers, even in evaluation mode, and draws."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(16, 2)
        self.steps = 0
        self.register_buffer("counter", torch.zeros(()))
        self.register_buffer("replaced", torch.full((3,), float("nan")))
        self.register_buffer("resized", torch.ones(2))
        self.register_buffer("absent", None)
        self.register_buffer("gone", torch.ones(1), persistent=False)

    def forward(self, x):
        self.steps += 1
        self.counter += 1
        self.replaced = torch.full((5,), float(self.steps))
        self.resized.data = torch.zeros(7)
        self.absent = torch.ones(4)
        self._buffers.pop("gone", None)
        if not hasattr(self, "cache"):
            self.register_buffer("cache", torch.ones(6))
            self.cached_length = 6
        noise = torch.rand(1) + float(np.random.rand()) + random.random()
        return self.fc2(self.dropout(torch.relu(self.norm(self.fc1(x))))) + noise


def restless():
    """With trained statistics, mixed flags, a frozen layer, a gradient and a user's own hooks."""
    with seeded():
        model = Restless()
        x = torch.randn(32, 8)
        model.norm(model.fc1(x)).sum().backward()
    model.train()
    model.norm.eval()
    model.fc1.weight.requires_grad_(False)
    model.fc2.register_forward_hook(_nothing)
    model.fc1.register_forward_pre_hook(_nothing)
    return model


def _nothing(*args):
    return None


def batches():
    return in_batches(*regression_data(40))


def interrupted_loader():
    yield batches()[0]
    raise KeyboardInterrupt


def failing_loader():
    yield batches()[0]
    raise OSError("disk gone")


def poisoned(where):
    x, y = regression_data(40)
    (x if where == "features" else y)[20, 1] = float("nan")
    return in_batches(x, y)


def failing_forward(model, x):
    model(x)
    raise RuntimeError("model broke")


ENDINGS = {
    "returned": (batches, {}, None),
    "loader raised": (failing_loader, {}, OSError),
    "interrupted": (interrupted_loader, {}, KeyboardInterrupt),
    "NaN in the features": (lambda: poisoned("features"), {}, NonFiniteError),
    "NaN in the targets": (lambda: poisoned("targets"), {}, NonFiniteError),
    "model raised": (batches, {"forward": failing_forward}, RuntimeError),
    "no layer of this name": (batches, {"layers": "fc3"}, ValueError),
    "empty loader": (list, {}, ValueError),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_measure_leaves_everything_as_it_was(ending):
    loader, options, error = ENDINGS[ending]
    model, loader = restless(), loader()
    before, state = fingerprint(model), random_state()
    if error is None:
        deepnrc.measure(model, loader, **options)
    else:
        with pytest.raises(error):
            deepnrc.measure(model, loader, **options)
    after = fingerprint(model)
    for part, value in before.items():
        assert after[part] == value, part
    assert random_state() == state
    assert torch.is_grad_enabled()


def test_pythons_random_state_is_restored():
    out = in_plain_python("""
        import random
        import deepnrc
        from helpers import in_batches, regression_data, small_network

        def loader(error):
            for batch in in_batches(*regression_data(40)):
                random.random()
                yield batch
            if error:
                raise error

        before = random.getstate()
        deepnrc.measure(small_network(), loader(None))
        print(random.getstate() == before)
        try:
            deepnrc.measure(small_network(), loader(KeyboardInterrupt()))
        except KeyboardInterrupt:
            print(random.getstate() == before)
    """)
    assert out.split() == ["True", "True"]


def test_outputs_are_bit_identical_and_training_goes_on_alike():
    model = restless()
    other = copy.deepcopy(model)
    deepnrc.measure(model, batches())
    x, y = regression_data(24, seed=3)
    outcomes = []
    for one in (model, other):
        with seeded(5):
            np.random.seed(5)
            random.seed(5)
            loss = (one(x) - y).square().mean()
            loss.backward()
            outcomes.append((loss.detach(), one.fc2.weight.grad, one.steps))
    (loss, grad, steps), (other_loss, other_grad, other_steps) = outcomes
    assert torch.equal(loss, other_loss)
    assert torch.equal(grad, other_grad)
    assert steps == other_steps == 1


def test_a_pending_backward_pass_survives():
    with seeded():
        model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).eval()
    x, y = regression_data(40)
    loss = (model(x) - y).square().mean()
    deepnrc.measure(model, [(x, y)])
    loss.backward()  # raises if a buffer it saved was written to
    assert model[0].weight.grad is not None


@pytest.mark.parametrize("kind", ["shuffle", "own generator", "sampler", "batch sampler", "whole"])
def test_the_next_epoch_comes_in_the_order_it_would_have(kind):
    data = TensorDataset(*regression_data(40))
    generator = torch.Generator().manual_seed(3)
    sampler = RandomSampler(data, generator=generator)
    ready = in_batches(*data.tensors, size=8)
    own = RandomSampler(ready, generator=generator)
    loader = {
        "shuffle": lambda: DataLoader(data, 8, shuffle=True),
        "own generator": lambda: DataLoader(data, 8, shuffle=True, generator=generator),
        "sampler": lambda: DataLoader(data, 8, sampler=sampler),
        "batch sampler": lambda: DataLoader(data, batch_sampler=BatchSampler(sampler, 8, False)),
        "whole": lambda: DataLoader(ready, batch_size=None, sampler=own),  # items are batches
    }[kind]()
    with seeded(1):
        generator.manual_seed(4)
        expected = torch.cat([x for x, _ in loader])
    with seeded(1):
        generator.manual_seed(4)
        deepnrc.measure(small_network(), loader)
        assert torch.equal(torch.cat([x for x, _ in loader]), expected)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_loader_with_workers():
    x, y = regression_data(40)
    loader = DataLoader(TensorDataset(x, y), 8, shuffle=True, num_workers=1)
    model, state = small_network(), random_state()
    got = deepnrc.measure(model, loader)
    assert random_state() == state
    assert got.model_mse == pytest.approx(deepnrc.measure(model, [(x, y)]).model_mse, rel=1e-6)


def test_inside_the_model_evaluates_without_gradients():
    model = restless()
    with preserved_state(model):
        assert not any(module.training for module in model.modules())
        assert not model(torch.zeros(4, 8)).requires_grad


def test_a_stochastic_model_is_measured_in_evaluation_mode():
    x, y = regression_data(40)
    with seeded():
        model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.9), nn.Linear(8, 2)).train()
    expected = (model.eval()(x) - y).square().mean().item()
    model.train()
    got = deepnrc.measure(model, [(x, y)])
    assert got.model_mse == pytest.approx(expected, rel=1e-6)
    assert model.training


def test_reading_a_spectral_normed_weight_changes_nothing():
    with seeded():
        model = nn.Sequential(
            torch.nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)), nn.Linear(8, 2)
        ).train()
    before = fingerprint(model)["buffers"]
    deepnrc.measure(model, batches())
    assert fingerprint(model)["buffers"] == before


def test_a_train_method_of_its_own_can_undo_what_it_did():
    class Merging(nn.Linear):
        """As LoRA layers do: evaluation mode merges a low-rank update into the weight."""

        merged = False

        def train(self, mode=True):
            super().train(mode)
            if mode == self.merged:
                self.weight.data += -2.0 if mode else 2.0
                self.merged = not mode
            return self

    with seeded():
        model = nn.Sequential(Merging(8, 4), nn.ReLU(), nn.Linear(4, 2)).train()
    model[2].eval()
    weight = model[0].weight.detach().clone()
    with preserved_state(model):
        assert model[0].merged
    assert not model[0].merged
    assert [module.training for module in model] == [True, True, False]
    torch.testing.assert_close(model[0].weight, weight, rtol=0, atol=1e-6)


def test_fused_attention_is_off_inside_only():
    assert torch.backends.mha.get_fastpath_enabled()
    with preserved_state(small_network()):
        assert not torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(OSError, match="disk gone"):
        deepnrc.measure(small_network(), failing_loader())
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_scripted_parts_are_evaluated_and_restored():
    with seeded():
        part = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)))
        model = nn.Sequential(part, nn.Linear(8, 2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, y = regression_data(40)
    got = deepnrc.measure(model, [(x, y)])
    assert got.names == ("1",)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    assert got.model_mse == pytest.approx((model(x) - y).square().mean().item(), rel=1e-6)


def test_measured_model_pickles_copies_saves_and_compiles(tmp_path):
    model, x = small_network(), regression_data(40)[0]
    deepnrc.measure(model, batches())
    expected = model(x)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    torch.save(model, tmp_path / "model.pt")
    assert torch.equal(torch.load(tmp_path / "model.pt", weights_only=False)(x), expected)
    torch.testing.assert_close(torch.compile(model, backend="eager")(x), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpus_random_state_is_restored():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)).cuda()
    state = torch.cuda.get_rng_state()

    def forward(model, x):
        return model(x + torch.rand_like(x))

    deepnrc.measure(model, batches(), forward=forward)
    assert torch.equal(torch.cuda.get_rng_state(), state)


def test_fused_layers_come_back_only_when_the_last_measurement_ends():
    """The switch is one for all threads."""
    assert torch.backends.mha.get_fastpath_enabled()
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(preserved_state(small_network()))
        second.enter_context(preserved_state(small_network()))
        first.close()
        assert not torch.backends.mha.get_fastpath_enabled()
        second.close()
        torch.set_grad_enabled(True)  # of one thread, on which no two end in this order
        assert torch.backends.mha.get_fastpath_enabled()
