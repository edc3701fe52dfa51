"""Which rows, layers and heads are taken: the right value of each, in one call."""

import pytest
import torch
from torch import nn

import deepnrc
from helpers import regression_data, seeded


class Policy(nn.Module):
    """Exactly collapsed from fc2 on; heads beside it are not, one layer is not called."""

    def __init__(self, order):
        super().__init__()
        self.order = order
        with seeded():
            U, V = (torch.linalg.qr(torch.randn(16, 2)).Q for _ in range(2))
            self.fc1, self.fc2 = nn.Linear(8, 16, bias=False), nn.Linear(16, 16, bias=False)
            self.out, self.value = nn.Linear(16, 2, bias=False), nn.Linear(8, 2)
            self.spare = nn.Linear(8, 8)
        with torch.no_grad():
            self.fc1.weight.copy_(U @ torch.eye(2, 8))
            self.fc2.weight.copy_(V @ U.T)
            self.out.weight.copy_(V.T)

    def forward(self, x):
        x = x + 0 * nn.functional.linear(x, self.spare.weight)
        value = self.value(x) if self.order == "first" else None
        mean = self.out(self.fc2(self.fc1(x)))
        return mean, self.value(x) if value is None else value


@pytest.mark.parametrize("order", ["first", "last"])
def test_side_heads_and_uncalled_layers_are_shown_not_judged(order):
    x, _ = regression_data(60)
    measurement = deepnrc.measure(Policy(order), [(x, x[:, :2])], output=0, last_layer="paper2024")
    diagnosis = deepnrc.diagnose(measurement)
    assert diagnosis.first_collapsed_layer == "fc2"
    assert [verdict.layer for verdict in diagnosis.verdicts] == ["fc1", "fc2", "out"]
    assert [name for name, _ in diagnosis.not_judged] == ["value", "spare"]
    assert {layer.name: layer.role for layer in measurement} == {
        **dict.fromkeys(("fc1", "fc2", "out"), "path"),
        "value": "side",
        "spare": "uncalled",
    }
    assert measurement.last_layer.layer == "out"
    assert "value: not judged: it lies on a side branch" in str(diagnosis)


class Pooled(nn.Module):
    """Means over the positions that count."""

    def __init__(self):
        super().__init__()
        with seeded():
            self.token, self.head = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x, attention_mask):
        h = self.token(x).tanh() * attention_mask[..., None]
        return self.head(h.sum(1) / attention_mask.sum(1, keepdim=True))


@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 1])
def test_masked_results_do_not_depend_on_the_padding(rule):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(2, 8, (40,), generator=generator)
    sentences = torch.randn(40, 8, 8, generator=generator)
    y = torch.randn(40, 2, generator=generator)

    def padded(width):
        x = torch.full((40, width, 8), 1e3)
        x[:, :8] = sentences
        mask = (torch.arange(width) < lengths[:, None]).float()
        x[mask == 0] = 1e3  # padding of any value
        return [({"x": x, "attention_mask": mask}, y)]

    short, long = (deepnrc.measure(Pooled(), padded(n), reduce=rule) for n in (8, 64))
    for one, other in zip(short, long, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-12, nan_ok=True)
    unmasked = deepnrc.measure(Pooled(), padded(64), reduce=rule, mask=False)
    if rule in ("mean", "last", "samples"):
        assert unmasked["token"].noise_component != pytest.approx(long["token"].noise_component)


def test_time_major_modules_with_as_many_steps_as_samples():
    x = torch.randn(7, 7, 8, generator=torch.Generator().manual_seed(0))
    y = x[:, -1, :2]

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded():
                self.embed, self.rnn = nn.Linear(8, 4), nn.GRU(4, 6)
                self.out = nn.Linear(6, 2)

        def forward(self, x):
            h, _ = self.rnn(self.embed(x.transpose(0, 1)))
            return self.out(h[-1])

    got = deepnrc.measure(Recurrent(), [(x, y)], reduce="last", precision="double")["embed"]
    expected = deepnrc.measure(nn.Linear(8, 2), [(x[:, -1], y)], precision="double")[0]
    assert got.noise_component == pytest.approx(expected.noise_component, rel=1e-12)
    assert got.signal_target_cka == pytest.approx(expected.signal_target_cka, rel=1e-12)
