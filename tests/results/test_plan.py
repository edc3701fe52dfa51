"""The plan says what the measurement then does, and what not, before any sum is taken."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from deepnrc import measure, plan
from deepnrc.errors import ArgumentError, DataError, LayerError


class Tokens(nn.Module):
    """Token features, a head, a side branch, an odd layer and one that is never called."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.body = nn.Linear(16, 24)
        self.convolution = nn.Conv1d(24, 8, 3)
        self.mean, self.log_variance = nn.Linear(24, 3), nn.Linear(24, 3)
        self.odd, self.unused = nn.Linear(24, 4), nn.Linear(24, 4)

    def forward(self, ids, attention_mask=None, other_mask=None):
        hidden = self.body(self.embedding(ids)).relu()
        self.convolution(hidden.mT)
        self.odd(hidden.mean((0, 1)))
        pooled = hidden[:, 0]
        return self.mean(pooled), self.log_variance(pooled)


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    ids, mask = torch.randint(50, (12, 7)), torch.ones(12, 7)
    mask[:, 5:] = 0
    inputs = {"ids": ids, "attention_mask": mask, "other_mask": mask}
    return Tokens(), (inputs, torch.randn(12, 3))


def test_each_layer_has_its_kind_rows_reduction_and_role(tokens):
    model, batch = tokens
    planned = plan(model, batch, output=0)
    assert {x.name: (x.kind, x.width, x.rows_per_sample, x.role) for x in planned.layers} == {
        "body": ("linear", 16, 1, "path"),
        "mean": ("linear", 24, 1, "last"),
        "convolution": ("convolution", 24, 1, "side"),
        "log_variance": ("linear", 24, 1, "side"),
        "odd": ("linear", 24, 0, "unpaired"),
        "unused": ("linear", 24, 0, "uncalled"),
    }
    assert planned["body"].reduction == "mean of 7 positions, masked"
    assert planned["mean"].reduction == ""
    assert [x.name for x in planned.skipped] == ["embedding"]


def test_the_text_says_what_is_left_out_and_which_mask_is_not_used(tokens):
    model, batch = tokens
    text = str(plan(model, batch, output=0))
    assert text.startswith("Tokens: 6 layers, a batch of 12 samples with 3 targets; 1 pass over")
    assert "\nodd: its input does not change with the number of samples\n" in text
    assert "\nthe batches hold 'other_mask', which is not used: pass mask= " in text
    assert text.endswith("not measured: embedding: Embedding: looks up rows, takes no features")
    head = next(line for line in text.splitlines() if line.startswith("mean "))
    assert "gives the predictions" in head


@pytest.mark.parametrize(
    ("reduce", "text", "rows"),
    [
        ("mean", "mean of 5 × 6 positions", 1),
        ("first", "first of 5 × 6 positions", 1),
        (4, "position 4 of 5 × 6 positions", 1),
        ("samples", "each of 5 × 6 positions", 30),
    ],
)
def test_the_reduction_is_told(reduce, text, rows):
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    targets = torch.randn(4, 5, 6, 2) if rows > 1 else torch.randn(4, 2)
    planned = plan(model, (torch.randn(4, 5, 6, 4), targets), reduce=reduce)
    assert (planned["0"].reduction, planned["0"].rows_per_sample) == (text, rows)


def test_a_reduction_of_your_own_is_told():
    def first_step(name, activation):
        return activation[:, 0]

    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    planned = plan(model, (torch.randn(4, 5, 4), torch.randn(4, 2)), reduce=first_step)
    assert (planned["0"].reduction, planned["0"].rows_per_sample) == ("first_step", 1)


def test_convolutions_take_the_mean_unless_each_position_is_a_sample():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(100, 2))
    planned = plan(model, (torch.randn(6, 3, 5, 5), torch.randn(6, 2)), reduce="last")
    assert planned["0"].reduction == "mean of 5 × 5 positions"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"last_layer": "centred"},
        {"calls": "separate"},
        {"layers": ["body", "mean"]},
        {"exclude": "odd"},
        {"mask": False},
    ],
)
def test_the_measurement_does_what_the_plan_said(tokens, options):
    model, batch = tokens
    planned = plan(model, batch, output=0, **options)
    measured = measure(model, [batch], output=0, **options)
    assert [(x.name, x.kind, x.width, x.rows, x.calls, x.depth) for x in planned.layers] == [
        (x.name, x.kind, x.width, x.rows, x.calls, x.depth) for x in measured.layers
    ]
    roles = [x.role.replace("last", "path") for x in planned.layers]
    assert roles == [x.role for x in measured.layers]
    assert planned.skipped == measured.skipped
    assert planned.notes == measured.notes
    assert planned.target_dim == measured.target_dim


def test_memory_is_that_of_the_layers_that_give_rows():
    model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 2))
    batch = torch.randn(10, 8), torch.randn(10, 2)
    planned, measured = plan(model, batch), measure(model, [batch])
    assert planned.state_bytes == measured.state_bytes
    assert planned.state_bytes == sum(x.state_bytes for x in planned.layers)


def test_passes_are_counted():
    model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 3))
    inputs = torch.randn(10, 8)
    assert plan(model, (inputs, torch.randn(10, 3)), last_layer="centred").passes == 2
    labels = torch.arange(10) % 3
    classified = plan(model, (inputs, labels), task="classification")
    assert (classified.passes, classified.target_dim) == (2, 3)


def test_a_loader_shows_its_first_batch():
    model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 2))
    inputs, targets = torch.randn(10, 8), torch.randn(10, 2)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=4)
    assert plan(model, loader).samples == 4
    assert plan(model, [(inputs, targets)]).samples == 10
    assert plan(model, [inputs, targets]).samples == 10  # a pair as workers collate it


def test_the_model_is_left_as_it_was(tokens):
    model, batch = tokens
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    plan(model, batch, output=0)
    assert model.training
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_what_cannot_be_planned_is_told():
    model = nn.Sequential(nn.Linear(8, 2))
    batch = torch.randn(10, 8), torch.randn(10, 2)
    with pytest.raises(KeyError, match="no layer '5'; there are 0"):
        plan(model, batch)["5"]
    with pytest.raises(DataError, match="the batch or loader holds no sample: pass one"):
        plan(model, [])
    with pytest.raises(DataError, match="the batch or loader holds no sample: pass one"):
        plan(model, (torch.randn(0, 8), torch.randn(0, 2)))
    with pytest.raises(LayerError, match="no weight layer"):
        plan(nn.ReLU(), batch)
    with pytest.raises(ArgumentError, match="redcue"):
        plan(model, batch, redcue="mean")


def test_weights_of_the_model_itself_are_named_so():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.layer = nn.Parameter(torch.ones(4, 8)), nn.Linear(4, 2)

        def forward(self, x):
            return self.layer(nn.functional.linear(x, self.weight))

    text = str(plan(Own(), (torch.randn(10, 8), torch.randn(10, 2))))
    assert "not measured: the model itself: Own: " in text
