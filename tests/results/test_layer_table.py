"""Rendered text: numbers, tables with reasons, the diagnosis in words. Regenerate golden files with
``REGENERATE_GOLDEN=1``."""

import math
import os
from pathlib import Path

import pytest
import torch

from deepnrc import diagnose, measure
from deepnrc.support.text import Table, number

GOLDEN = Path(__file__).parent / "golden"


def _check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("REGENERATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (1.0, "1.000"),
        (0.12345, "0.123"),
        (12.345, "12.35"),
        (1234.5, "1234"),
        (12345.0, "1.2e+04"),
        (9.99e-4, "1.0e-03"),
        (-0.5, "-0.500"),
        (3.2e-12, "3.2e-12"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_three_digits_or_an_exponent(value, text):
    assert number(value) == text


def test_columns_line_up_whatever_their_contents():
    table = Table(("layer", "a"), (("x", "1"), ("longer.name", "1000")), ("note",))
    lines = str(table).splitlines()
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[-1] == "note"


def _known_network() -> tuple[torch.nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Hand-set weights and inputs whose metrics are exact: no digit depends on the machine."""
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 3, bias=False), torch.nn.Linear(3, 2)
    ).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.diag(torch.tensor([1.0, 1.0, 0.125, 0.125])))
        model[1].weight.copy_(torch.eye(3, 4))
        model[2].weight.copy_(torch.eye(2, 3))
        model[2].bias.zero_()
    # Columns of a Hadamard matrix: orthogonal and of mean 0.
    h = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    hadamard = torch.kron(torch.kron(h, h), h)
    scales = torch.tensor([2.0, 1.0, 1.5, 0.5], dtype=torch.float64)  # no two eigenvalues alike
    targets = scales[:2] * hadamard[:, 1:3] + 0.25 * hadamard[:, 5:7]
    return model, [(scales * hadamard[:, 1:5], targets)]


def test_golden_table_and_diagnosis():
    model, loader = _known_network()
    measurement = measure(model, loader, progress=False)
    _check_golden("measurement.txt", str(measurement))
    _check_golden("diagnosis.txt", str(diagnose(measurement)))


def test_golden_undefined_values_carry_numbered_reasons():
    model, [(inputs, _)] = _known_network()
    constant = torch.ones(8, 2, dtype=torch.float64)
    with torch.no_grad():
        model[1].weight.zero_()
    measurement = measure(model, [(inputs, constant)], progress=False)
    _check_golden("undefined.txt", str(measurement))
    _check_golden("undefined-diagnosis.txt", str(diagnose(measurement)))


def test_golden_last_layer():
    """Weights near the shape of a feature model's minimiser with c = 0.25."""
    model, [(inputs, targets)] = _known_network()
    inputs = inputs + 0.5
    with torch.no_grad():
        model[2].weight.copy_(torch.tensor([[1.25, 0.25, 0.0], [0.0, 0.75, 0.0]]))
    for variant in ("paper2024", "centred"):
        measurement = measure(model, [(inputs, targets)], last_layer=variant, progress=False)
        _check_golden(f"last-layer-{variant}.txt", str(measurement))


def test_golden_classification():
    """Three classes near the corners of a triangle, each of two points beside its mean."""
    double = {"dtype": torch.float64}
    corners = torch.tensor([[1.25, 0.0], [-0.5, 0.75], [-0.5, -1.0]], **double) @ torch.eye(
        2, 4, **double
    )
    offset = torch.tensor([0.0, 0.0, 0.25, 0.0], **double)
    inputs = torch.cat([corners + offset, corners - offset, corners[:1]])
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 3, bias=False)
    ).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.diag(torch.tensor([1.0, 1.0, 0.5, 1.0])))
        model[1].weight.copy_(corners)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 1])  # the last one is wrong
    measurement = measure(model, [(inputs, labels)], task="classification", progress=False)
    _check_golden("classification.txt", str(measurement))


def test_long_lists_are_cut_and_one_target_says_why():
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Linear(12, 8)
    inputs = torch.randn(50, 12, generator=generator)
    text = str(measure(model, [(inputs, inputs[:, :8])], progress=False))
    line = next(line for line in text.splitlines() if "conditions of 2024" in line)
    assert line.count(", …") == 2
    assert line.split("R² by target ")[1].count(", ") == 6
    text = str(measure(torch.nn.Linear(12, 1), [(inputs, inputs[:, 0])], progress=False))
    assert text.endswith(
        ": last layer, conditions of 2024: NRC3 – (with one target it is 0 for any weight)"
    )


def test_rows_without_a_direction_are_said():
    model = torch.nn.Linear(3, 2, bias=False)
    inputs = torch.tensor([[0.0, 0, 0], [1, 2, 3], [3, 1, 2], [2, 2, 1]])
    text = str(measure(model, [(inputs, inputs[:, :2])], last_layer="paper2024", progress=False))
    assert "rows as they are; 1 row without a direction left out)" in text


def test_conventions_and_missing_error_are_said():
    model, loader = _known_network()
    measurement = measure(
        model,
        loader,
        center=False,
        intercept=False,
        forward=lambda model, x: {"out": model(x)},
        progress=False,
    )
    text = str(measurement)
    assert "signal rank 2, uncentred, no intercept in NRC4" in text
    assert "model's own MSE undefined: the model returned a dict, not a tensor" in text
    assert "NRC4 undefined: the model returned a dict" in str(diagnose(measurement))


def test_skipped_modules_are_listed_with_reasons():
    class WithTable(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.fc = torch.nn.Embedding(3, 2), torch.nn.Linear(2, 1)

        def forward(self, index):
            return self.fc(self.table(index))

    loader = [(torch.tensor([0, 1, 2]), torch.tensor([0.0, 1.0, 3.0]))]
    text = str(measure(WithTable(), loader, progress=False))
    assert "not measured: table: Embedding: looks up rows, takes no features" in text
