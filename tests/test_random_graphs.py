"""Random networks against truth by construction; a failing seed prints its graph."""

import pytest

from random_graphs.check import check
from random_graphs.generate import generate


def assert_right(seeds):
    for seed in seeds:
        wrong = check(seed)
        assert not wrong, "\n".join([str(generate(seed)), *wrong])


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_some_graphs(start):
    assert_right(range(start, start + 20))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 5100, 250))
def test_five_thousand_graphs(start):
    assert_right(range(start, start + 250))


def test_a_graph_is_that_of_its_seed():
    assert str(generate(7)) == str(generate(7))
    assert str(generate(7)) != str(generate(8))


def test_the_graphs_hold_every_kind_of_operation():
    graphs = [generate(seed) for seed in range(100)]
    nodes = [node for graph in graphs for node in graph.nodes]
    kinds = {
        "layer",
        "act",
        "add",
        "cat",
        "pool",
        "mix",
        "cut",
        "odd",
        "constant",
        "steps",
        "write",
    }
    assert {node.op for node in nodes} == kinds
    assert {graph.reduce for graph in graphs} >= {"mean", "first", "last", "samples", 0, 1}
    assert any(graph.each_position and graph.masked for graph in graphs)
    assert any(graph.grid and graph.batches[0] in graph.grid for graph in graphs)
    assert any(graph.batches[-1] < graph.batches[0] for graph in graphs)
    assert any(graph.batches[0] == 1 for graph in graphs)
