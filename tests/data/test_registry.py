import pytest

from deepnrc.data import dataset_names, find_source
from deepnrc.errors import ArgumentError


def test_names_are_those_of_the_papers_and_the_two_of_your_own():
    assert dataset_names() == (
        *("swimmer", "reacher", "hopper", "sgemm", "gemm", "carla2d", "carla1d", "carracing"),
        *("utkface", "synthetic", "tabular"),
    )


@pytest.mark.parametrize("name", dataset_names())
def test_every_source_can_be_reached_and_says_what_it_is(name):
    source = find_source(name)
    assert source.name == name
    assert source.summary
    assert source.origin
    assert source.licence
    ways = (source.read_real, source.build, source.make)
    assert any(way is not None for way in ways)
    assert (source.build is None) == (source.read_built is None)
    assert source.build is None or source.default_samples > 0
    assert all(item.url.startswith("https://") for item in source.downloads)
    assert not source.downloads or source.read_real is not None


def test_the_papers_sizes():
    dimensions = {name: len(find_source(name).targets) for name in dataset_names()}
    assert dimensions == {
        **{"swimmer": 2, "reacher": 2, "hopper": 3, "sgemm": 4, "gemm": 4, "carla2d": 2},
        **{"carla1d": 1, "carracing": 2, "utkface": 1, "synthetic": 0, "tabular": 0},
    }


@pytest.mark.parametrize(
    ("name", "hint"), [("hoper", "did you mean 'hopper'? "), ("UTKFace", "did you mean 'utkface'?")]
)
def test_a_wrong_name_gets_the_nearest(name, hint):
    with pytest.raises(ArgumentError) as caught:
        find_source(name)
    assert f"name: expected a data set, got '{name}'; {hint}" in str(caught.value)
    assert "There are swimmer, reacher, hopper, sgemm, gemm, carla2d" in str(caught.value)


def test_a_name_like_no_other_gets_no_hint():
    with pytest.raises(ArgumentError, match="got 'qqq'; There are swimmer"):
        find_source("qqq")


def test_the_papers_number_of_samples_is_the_default():
    assert find_source("hopper").default_samples == 5000
