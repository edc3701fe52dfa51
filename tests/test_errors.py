import copy
import pickle

import pytest

import deepnrc
from deepnrc import errors
from helpers import small_network

TREE = {
    "ArgumentError": (errors.DeepNRCError, ValueError),
    "LayerError": (errors.DeepNRCError, ValueError),
    "DataError": (errors.DeepNRCError, ValueError),
    "FeatureRangeError": (errors.DataError,),
    "NonFiniteError": (errors.DataError,),
    "FileError": (errors.DeepNRCError, OSError),
    "DeepNRCError": (Exception,),
    "DeepNRCWarning": (UserWarning,),
}


def test_the_tree_is_the_one_the_module_draws():
    assert set(errors.__all__) == set(TREE)
    for name, bases in TREE.items():
        assert getattr(errors, name).__bases__ == bases
        assert name in errors.__doc__


@pytest.mark.parametrize("name", [name for name in TREE if name != "DeepNRCWarning"])
def test_errors_survive_pickling_and_print_their_text(name):
    error = getattr(errors, name)("what, expected, got, do")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == "what, expected, got, do"


def test_a_non_finite_error_knows_its_row():
    assert errors.NonFiniteError("text").row == -1
    assert pickle.loads(pickle.dumps(errors.NonFiniteError("text", row=7))).row == 7


@pytest.mark.parametrize("kind", [errors.LayerError, errors.DeepNRCError, ValueError])
def test_one_except_clause_of_any_width_catches_them(kind):
    with pytest.raises(kind, match="layers='none' matches no weight layer"):
        deepnrc.measure(small_network(), [], layers="none")
