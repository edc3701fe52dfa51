"""Data as people have them give what a loader of the same samples gives."""

import numpy as np
import pandas as pd
import pytest
import torch
from tensordict import TensorDict
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from deepnrc import Monitor, collect, measure, measure_heads, plan
from deepnrc.errors import ArgumentError, DataError
from helpers import seeded

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
Y = X[:, :2] + 0.1


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


class Rows(torch.utils.data.Dataset):
    """As Hugging Face's: mappings of one sample."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return {"x": X[index], "labels": Y[index]}


def model(dtype=torch.float32):
    with seeded():
        return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype)


def frames():
    return pd.DataFrame(X.numpy(), columns=list("abc")), pd.DataFrame(Y.numpy(), columns=["u", "v"])


DATA = {
    "tensors": lambda: (X, Y),
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "float64 arrays": lambda: (X.double().numpy(), Y.double().numpy()),
    "frames": frames,
    "dataset": lambda: TensorDataset(X, Y),
    "iterable dataset": Stream,
    "dataset of mappings": Rows,
    "loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=16),
    "mapping and tensor": lambda: ({"input": X}, Y),
    "tuple and tensor": lambda: ((X,), Y),
}


@pytest.mark.parametrize("kind", DATA)
def test_all_give_the_values_of_a_loader(kind):
    expected = measure(model(), [(X, Y)])
    measured = measure(model(), DATA[kind]())
    assert measured.samples == 50
    for one, other in zip(measured, expected, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-5, nan_ok=True)  # float32


def test_a_series_is_a_single_target():
    data = frames()[0], frames()[1]["u"]
    measured = measure(model()[:2].append(nn.Linear(8, 1)), data)
    assert (measured.target_dim, measured.samples) == (1, 50)


@pytest.mark.parametrize("kind", ["tensors", "frames", "dataset"])
@pytest.mark.parametrize(("size", "batches"), [(None, 1), (16, 4), (50, 1), (1000, 1)])
def test_the_batch_size_is_that_asked_for(kind, size, batches):
    data = DATA[kind]()
    assert measure(model(), data, batch_size=size).batches == batches
    assert collect(model(), data, batch_size=size).batches == batches


def test_integer_and_nullable_columns_are_numbers():
    frame = pd.DataFrame({"a": range(50), "b": [True, False] * 25})
    frame["c"] = pd.array([1.5] * 50, dtype="Float64")
    assert measure(model(torch.float64), (frame, Y.double())).samples == 50


def test_several_targets():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return {"a": self.a(x), "b": self.b(x)}

    heads = measure_heads(Heads(), (X, {"a": Y, "b": Y}), batch_size=20)
    assert heads["a"].batches == 3


def test_a_tensordict_is_cut_into_batches():
    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, batch):
            assert isinstance(batch, TensorDict)
            return self.layer(batch["state"])

    inputs = TensorDict({"state": X}, batch_size=[50])
    assert measure(Field(), (inputs, Y), batch_size=20).batches == 3


def test_a_monitor_and_a_plan_take_data():
    monitor = Monitor(model(), (X, Y), batch_size=25)
    assert monitor.step(0).measurement.batches == 2
    assert plan(model(), (X, Y)).samples == 50
    assert plan(model(), (X, Y), batch_size=20).samples == 20
    assert plan(model(), frames()).samples == 50
    assert plan(model(), TensorDataset(X, Y)).samples == 50


def test_a_list_is_a_loader_and_so_is_a_tuple_of_batches():
    assert measure(model(), [(X, Y), (X, Y)]).batches == 2
    assert measure(model(), ((X, Y), (X, Y))).batches == 2


WRONG = {
    "other counts": (
        lambda: (X, Y[:40]),
        DataError,
        "X and y must have the same number of samples; got 50 and 40",
    ),
    "tensor": (lambda: X, ArgumentError, r"a tuple \(X, y\); got a Tensor: pass \(X, y\), with"),
    "frame": (lambda: frames()[0], ArgumentError, r"got a DataFrame: pass \(X, y\), with the"),
    "mapping": (lambda: {"x": X}, ArgumentError, r"got a dict: pass \(X, y\)"),
    "two mappings": (
        lambda: ({"x": X}, {"a": Y}),
        DataError,
        "a tuple of two mappings can be .* or two batches: pass a list",
    ),
    "texts": (
        lambda: (np.array(["a"] * 50), Y),
        DataError,
        r"X holds <U1, not numbers: convert it, such as with X\.astype\(float\)",
    ),
    "no axis": (
        lambda: (X, np.array(3.0)),
        DataError,
        "y must have an axis of samples; got a single number",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_data_is_told(kind):
    data, error, message = WRONG[kind]
    with pytest.raises(error, match=message):
        measure(model(), data())


def test_a_batch_size_that_says_nothing_is_refused():
    message = r"batch_size=5 is for \(X, y\) and data sets; the loader \(list\) makes its own"
    message += " batches: leave it out, or, where these are single samples, pass a DataLoader of"
    with pytest.raises(ArgumentError, match=message):
        measure(model(), [(X, Y)], batch_size=5)
    with pytest.raises(ArgumentError, match="batch_size must be at least 1; got 0"):
        measure(model(), (X, Y), batch_size=0)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["a"] * 50, "str"),
        (pd.Categorical(["a"] * 50), "category"),
        (pd.date_range("2020-01-01", periods=50), r"datetime64\[.*\]"),
    ],
)
def test_a_column_without_numbers_is_named(column, kind):
    frame = frames()[0].assign(color=column)
    with pytest.raises(DataError, match=f"column 'color' of X holds {kind}, not numbers: encode"):
        measure(model(), (frame, Y))
