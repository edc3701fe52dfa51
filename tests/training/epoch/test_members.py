import pytest

from deepnrc.errors import ArgumentError
from deepnrc.models import MLP
from deepnrc.training.epoch.ensemble import Ensemble
from ensembles import D, T, config, models, state


def test_members_of_other_shapes_are_refused():
    other = MLP(D, T, width=9, depth=3)
    with pytest.raises(ArgumentError, match=r"member 1 differs from member 0 in its layers \(.*9"):
        Ensemble([state(models(1)[0], config()), state(other, config())])


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (
            {"activation": "tanh"},
            {},
            "its network \\(MLP with tanh and norm none instead of MLP wi",
        ),
        (
            {},
            {"momentum": 0.5},
            "its optimizer \\(SGD\\(momentum=0.5, nesterov=False\\) instead of",
        ),
        ({}, {"optimizer": "adam"}, "its optimizer \\(Adam"),
    ],
)
def test_members_that_differ_otherwise_are_refused(options, changes, message):
    members = [
        state(models(1)[0], config()),
        state(models(1, **options)[0], config(**changes)),
    ]
    with pytest.raises(ArgumentError, match=message):
        Ensemble(members)


def test_members_of_other_epochs_are_refused():
    members = [state(model, config()) for model in models()]
    members[2].epoch = 4
    with pytest.raises(ArgumentError, match="member 2 differs from member 0 in its epoch"):
        Ensemble(members)


def test_no_members_are_refused():
    with pytest.raises(ArgumentError, match="states: expected at least one member, got none"):
        Ensemble([])
