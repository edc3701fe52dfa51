"""What ``deepnrc data info`` prints, word for word."""

import dataclasses

import pytest
import torch

from deepnrc.data import RawData, Truth
from deepnrc.data.facts import data_facts
from deepnrc.data.source import Download, Source
from deepnrc.report.data_text import facts_text, format_table, source_text

SOURCE = Source(
    name="toy",
    summary="A toy",
    origin="a toy shop",
    licence="MIT",
    targets=("y", "z"),
    make=print,
)


def facts(targets, *, truth=None, images=False, **provenance):
    targets = torch.tensor(targets, dtype=torch.float64)
    inputs = torch.zeros(len(targets), 3, 4, 4) if images else torch.zeros(len(targets), 2)
    names = ("speed", "turn", "c")[: targets.shape[1]]
    if targets.shape[1] > 3:
        names = tuple(f"y{i}" for i in range(targets.shape[1]))
    origin = {"data": "toy", "made_from": "wood"} | provenance
    return data_facts(RawData(inputs, targets, ("a", "b"), names, origin, truth))


def test_a_source_with_everything():
    source = dataclasses.replace(
        SOURCE,
        default_samples=5000,
        build=print,
        read_built=print,
        read_real=print,
        downloads=(Download("https://x", "x", None),),
        extra="toys",
        scaling="minmax",
        options={"color": "of the toy"},
    )
    assert source_text(source) == (
        "toy: A toy\n"
        "  comes from  a toy shop\n"
        "  licence     MIT\n"
        "  targets     t = 2: y, z\n"
        "  build       deepnrc data build toy   (5,000 rows)\n"
        "  fetch       deepnrc data fetch toy\n"
        "  real files  deepnrc.data.load('toy', path=…)\n"
        "  needs       pip install 'deepnrc[toys]'\n"
        "  scaling     targets to [0, 1] on the train part\n"
        "  option      color: of the toy"
    )


def test_a_source_with_nothing():
    text = source_text(dataclasses.replace(SOURCE, targets=(), standardize=False))
    assert text == (
        "toy: A toy\n  comes from  a toy shop\n  licence     MIT\n  targets     your choice\n"
        "  scaling     none"
    )
    assert "  scaling     inputs and targets to mean 0 and deviation 1" in source_text(SOURCE)


def test_a_set_in_numbers():
    text = facts_text(
        facts(
            [[1.0, 10.0], [3.0, 10.0], [1.0, 20.0], [3.0, 20.0]],
            files={"a.bin": "00ff"},
            mean_return=-3.5,
            versions={"numpy": "2"},
            empty={},
        )
    )
    assert text == (
        "4 rows of 2 inputs and 2 targets\n"
        "made from: wood\n"
        "sha256 00ff  a.bin\n"
        "mean return: -3.5\n"
        'versions: {"numpy": "2"}\n'
        "\n"
        "Targets in their own units, over all rows:\n"
        "         mean  deviation  min  max\n"
        "  speed     2          1    1    3\n"
        "  turn     15          5   10   20\n"
        "\n"
        "Spectrum of Σ_Y (divisor N), with the share of the total:\n"
        "  in own units   25 (96.2 %), 1 (3.85 %)\n"
        "  standardized   1 (50 %), 1 (50 %)\n"
        "\n"
        "Correlations of the targets:\n"
        "         speed   turn\n"
        "  speed  1.000  0.000\n"
        "  turn   0.000  1.000"
    )


def test_one_target_has_no_table_of_correlations_and_truth_is_told():
    text = facts_text(facts([[1.0], [3.0]], truth=Truth(1, 0.25), images=True))
    assert text.startswith("2 rows of 3 × 4 × 4 images and 1 target\nmade from: wood\ntruth: ")
    assert "truth: noiseless targets of rank 1, noise floor 0.25 (mean squared error per" in text
    assert "Correlations" not in text


def test_what_rounding_left_is_not_shown_as_a_number():
    text = facts_text(facts([[1.0, 1 + 1e-9, 2.0], [2.0, 2.0, 4.0], [4.0, 4.0, 8.0]]))
    assert "  in own units   9.333 (100 %); 2 below 1e-12 of the largest" in text


def test_constant_targets():
    text = facts_text(facts([[5.0, 1.0], [5.0, 1.0]]))
    assert "  in own units   0 (2 times)" in text
    assert "  speed      –     –" in text


def test_many_targets_and_files_are_cut_short():
    rows = torch.randn(40, 15, generator=torch.Generator().manual_seed(0)).tolist()
    text = facts_text(facts(rows, files={f"f{i:02}": "0" for i in range(14)}, long=[0] * 200))
    assert "f11" in text
    assert "f12" not in text
    assert "… and 2 more files" in text
    assert text.endswith("  (the first 12 of 15 targets)")
    assert ", and 3 more" in text
    assert max(len(line) for line in text.splitlines() if line.startswith("long")) < 80


def test_table_columns_are_in_line():
    assert format_table(("", "x"), [("long name", "1"), ("b", "22")]) == (
        "            x\nlong name   1\nb          22"
    )


@pytest.mark.parametrize("scaling", ["standard", "minmax", "none"])
def test_every_scaling_has_words(scaling):
    assert "scaling" in source_text(dataclasses.replace(SOURCE, scaling=scaling))
