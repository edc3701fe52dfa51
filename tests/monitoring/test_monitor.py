"""Monitor: when it measures, that training does not notice, and what it keeps."""

import copy
import itertools

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.errors import ArgumentError
from deepnrc.monitoring.monitor import Monitor
from deepnrc.monitoring.schedule import log_spaced
from helpers import fingerprint, random_state, regression_data, seeded, small_network


def trained(epochs=6, monitor_options=None, *, norm=True):
    """Weights after training with dropout, batch normalisation and a shuffling loader."""
    with seeded(3):
        inputs, targets = regression_data(48)
        layers = [nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)]
        model = nn.Sequential(*layers, nn.Linear(16, 2))
        data = torch.utils.data.TensorDataset(inputs, targets)
        loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        monitor = None
        if monitor_options is not None:
            monitor = Monitor(model, loader, **monitor_options)
            monitor.step(0)
        for epoch in range(1, epochs + 1):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                (model(x) - y).square().mean().backward()
                optimizer.step()
            if monitor is not None:
                monitor.step(epoch)
        return model.state_dict(), random_state(), monitor


def test_training_ends_in_the_same_bits_as_without():
    plain, plain_random, _ = trained()
    watched, watched_random, monitor = trained(monitor_options={"every": 2})
    assert [record.epoch for record in monitor.history] == [0, 2, 4, 6]
    assert watched_random == plain_random
    for name in plain:
        assert torch.equal(plain[name], watched[name]), name


def test_a_step_leaves_the_model_as_it_was():
    model, data = small_network(), regression_data()
    model.train()
    (model(data[0]) - data[1]).square().mean().backward()
    before = fingerprint(model)
    Monitor(model, [data]).step(1)
    assert fingerprint(model) == before


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"every": 3}, [0, 3, 6]),
        ({"epochs": [5, 1]}, [1, 5]),
        ({"epochs": []}, []),
        ({"epochs": log_spaced(6, 3)}, [0, 1, 6]),
    ],
)
def test_schedule(options, epochs):
    monitor = Monitor(small_network(), [regression_data()], **options)
    records = [monitor.step(epoch) for epoch in range(7)]
    assert [record.epoch for record in records if record is not None] == epochs
    assert [record.epoch for record in monitor.history] == epochs
    assert [epoch for epoch in range(7) if monitor.due(epoch)] == epochs


def test_records_are_measurements_and_are_told():
    model, data = small_network(), regression_data()
    told = []
    monitor = Monitor(model, [data], on_record=told.append, signal_rank=1, layers="2")
    record = monitor.step(0)
    assert told == [record] == list(monitor.history)
    expected = deepnrc.measure(model, [data], signal_rank=1, layers="2", progress=False)
    assert record.measurement == expected
    assert record.measurements == {"train": expected}


def test_several_probe_loaders_by_name():
    model = small_network()
    probes = {"train": [regression_data(seed=1)], "test": [regression_data(30, seed=2)]}
    record = Monitor(model, probes).step(4)
    assert list(record.measurements) == ["train", "test"]
    assert record.measurements["test"].samples == 30
    assert record.measurement is record.measurements["train"]


def test_the_network_is_measured_as_it_is_at_the_step():
    model, data = small_network(), regression_data()
    monitor = Monitor(model, [data])
    monitor.step(0)
    later = copy.deepcopy(model)
    with torch.no_grad():
        model[0].weight.mul_(2.0)
        later[0].weight.mul_(2.0)
    monitor.step(1)
    assert monitor.history[1].measurement == deepnrc.measure(later, [data], progress=False)
    assert monitor.history[0].measurement != monitor.history[1].measurement


def test_frame_has_a_row_for_each_epoch_probe_and_layer():
    monitor = Monitor(small_network(), {"a": [regression_data()], "b": [regression_data(seed=1)]})
    monitor.step(0)
    monitor.step(3)
    frame = monitor.to_frame()
    assert list(frame.index.names) == ["epoch", "probe", "layer"]
    assert frame.index.tolist() == [
        (epoch, probe, layer) for epoch in (0, 3) for probe in "ab" for layer in ("0", "2")
    ]
    expected = monitor.history[1].measurements["b"]["2"].noise_component
    assert frame.loc[(3, "b", "2"), "noise_component"] == expected


def test_an_empty_history_has_no_frame():
    with pytest.raises(ArgumentError, match="nothing has been measured yet: call step first"):
        Monitor(small_network(), [regression_data()]).to_frame()


def test_first_collapsed_epoch():
    """Linear targets and a bottleneck as wide as they are: NRC1 of the last layer is 0."""
    with seeded():
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))
    inputs, _ = regression_data(200)
    monitor = Monitor(model, [(inputs, inputs[:, :2])])
    monitor.step(0)
    assert monitor.first_collapsed_epoch() is None
    with torch.no_grad():
        for layer in model:
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[:2, :2] = torch.eye(2)
    monitor.step(7)
    monitor.step(9)
    assert monitor.first_collapsed_epoch() == 7
    assert monitor.first_collapsed_epoch("train", rule="nrc1") == 7
    assert monitor.first_collapsed_epoch(rule="nrc1", noise_tol=1.0) == 0


def test_a_closed_monitor_and_a_repeated_epoch_are_refused():
    with Monitor(small_network(), [regression_data()]) as monitor:
        monitor.step(1)
        with pytest.raises(ArgumentError, match="epoch 1 was measured already: call step once"):
            monitor.step(1)
    with pytest.raises(ArgumentError, match="the monitor is closed: call step inside its with"):
        monitor.step(2)
    assert len(monitor.history) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 2, "epochs": [1]}, "every and epochs exclude each other: pass one of them"),
        ({"every": 0}, "every must be at least 1; got 0"),
        ({"epochs": [3, -1]}, "epochs must be at least 0; got -1"),
    ],
)
def test_bad_schedules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Monitor(small_network(), [regression_data()], **options)


def test_loaders_that_end_are_refused():
    with pytest.raises(ArgumentError, match=r"probe_loader 'test' can be gone through only once "
                       r"\(it is a generator\): pass a list of batches"):  # fmt: skip
        Monitor(small_network(), {"train": [], "test": (pair for pair in [regression_data()])})
    with pytest.raises(ArgumentError, match="probe_loader names no loader"):
        Monitor(small_network(), {})


@pytest.mark.parametrize(("last", "count"), [(1000, 70), (200, 70), (100, 3), (70, 70), (10, 11)])
def test_log_spaced_has_so_many_from_0_to_the_last(last, count):
    epochs = log_spaced(last, count)
    assert len(epochs) == len(set(epochs)) == count
    assert (epochs[0], epochs[-1]) == (0, last)
    assert list(epochs) == sorted(epochs)


def test_log_spaced_is_even_in_the_logarithm():
    epochs = [epoch for epoch in log_spaced(1000, 70) if epoch >= 200]
    ratios = [b / a for a, b in itertools.pairwise(epochs)]
    assert max(ratios) / min(ratios) < 1.02  # up to rounding to whole epochs


@pytest.mark.parametrize(
    ("last", "count", "epochs"),
    [(5, 1, (5,)), (5, 2, (0, 5)), (1, 1, (1,)), (1, 5, (0, 1)), (3, 70, (0, 1, 2, 3))],
)
def test_log_spaced_short(last, count, epochs):
    assert log_spaced(last, count) == epochs


@pytest.mark.parametrize(("last", "count", "name"), [(0, 3, "last"), (3, 0, "count")])
def test_log_spaced_refuses_less_than_one(last, count, name):
    with pytest.raises(ArgumentError, match=f"{name} must be at least 1; got 0"):
        log_spaced(last, count)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evry": 5}, "there is no option 'evry': did you mean 'every'"),
        ({"rcond": 2.0}, "rcond must be at least 0 and below 1; got 2.0"),
        ({"task": "classify"}, "task must be 'regression' or 'classification'; got 'classify'"),
    ],
)
def test_a_wrong_option_is_refused_at_construction(options, message):
    with pytest.raises(ArgumentError, match=message):
        Monitor(small_network(), [regression_data()], **options)
