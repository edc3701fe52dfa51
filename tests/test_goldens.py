"""The full records of many cases equal the stored ones."""

import json

import pytest

from goldens.cases import CASES
from goldens.records import STORED, differences, made

# Other processors sum in another order, and 60 training steps amplify the difference. `atol` is for
# values at rounding level. On one machine, `python -m goldens.records` compares bit for bit.
TOLERANCES = {"rtol": 1e-4, "atol": 1e-8}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    stored = json.loads(STORED.read_text(encoding="utf-8"))[name]
    assert not list(differences(stored, made(name), texts=False, **TOLERANCES))


def test_every_case_is_stored():
    assert list(json.loads(STORED.read_text(encoding="utf-8"))) == list(CASES)
