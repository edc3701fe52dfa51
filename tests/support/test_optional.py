import sys

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.support.optional import optional_import


def test_a_module_that_is_there():
    assert optional_import("json.decoder", purpose="reading").JSONDecoder


def test_what_to_install(monkeypatch):
    for module in ("gymnasium", "gymnasium.envs"):  # either may have been imported before
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ArgumentError,
        match=r"driving needs gymnasium, which cannot be imported \(.+\): "
        r"run `pip install 'deepnrc\[driving\]'`",
    ):
        optional_import("gymnasium.envs", purpose="driving", extra="driving")


@pytest.mark.parametrize(("package", "said"), [("", "nosuch"), ("no-such", "no-such")])
def test_a_package_of_another_name(package, said):
    with pytest.raises(ArgumentError, match=f"run `pip install {said}`"):
        optional_import("nosuch.part", purpose="it", package=package)
