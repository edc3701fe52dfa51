"""Advice of the library as a user of the command line can follow it."""

import pytest

from deepnrc.cli.advice import in_options, options_of
from deepnrc.cli.measure import measure

NAMES = (
    "reduce",
    "mask",
    "unpack",
    "task",
    "batch_dim",
    "center",
    "targets",
    "target_dim_axis",
    "head",
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("pass mask= if it says", "pass --mask if it says"),
        ("with reduce='samples'", "with --reduce samples"),
        ("pass batch_dim=; for others", "pass --batch-dim; for others"),
        ("use center=False here", "use --no-center here"),
        ("batch_dim=1 says", "--batch-dim 1 says"),
        (
            "pass unpack=lambda batch: (batch['x'], batch['y'])",
            "pass --unpack PKG.MOD:NAME, the name of a function such as lambda batch: (batch['x'], "
            "batch['y'])",
        ),
        ("retask=3, x.mask= and --mask=no", "retask=3, x.mask= and --mask=no"),
        (
            "measure_heads(model, loader, outputs={'a': …, 'b': …}), where outputs= says",
            "measure_heads(model, loader, --head NAME=OUTPUT), where --head NAME=OUTPUT says",
        ),
        ("nothing to say", "nothing to say"),
    ],
)
def test_keywords_are_written_as_options(said, shown):
    assert in_options(said, NAMES) == shown


def test_a_command_without_such_options_says_the_same():
    assert in_options("pass mask=", ()) == "pass mask="
    assert in_options("pass mask=", ("seed",)) == "pass mask="


def test_measure_has_the_options_that_its_advice_names():
    assert {"reduce", "unpack", "forward", "mask", "output", "batch_dim"} <= {*options_of(measure)}
