"""Every case of the table of architectures: right against its twin, or refused by its message."""

import importlib.util
import warnings

import pytest

from architectures.case import Case
from architectures.check import check
from architectures.families import all_cases


def parameter(case: Case):
    marks = [pytest.mark.slow] if case.slow else []
    if case.waits_for is not None:
        marks.append(pytest.mark.xfail(reason=case.waits_for, strict=False))
    return pytest.param(case, marks=marks, id=case.name)


@pytest.mark.parametrize("case", [parameter(case) for case in all_cases().values()])
def test_the_case(case):
    if case.needs is not None and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"needs {case.needs}")
    with warnings.catch_warnings():
        if case.needs is not None:  # what other libraries warn of is theirs
            warnings.simplefilter("ignore", DeprecationWarning)
        check(case)
