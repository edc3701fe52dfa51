"""Linear layers of other libraries, known by their names."""

import numpy as np
import pytest
import torch
from torch import nn

import deepnrc
from activations.kinds.entering import entering
from deepnrc.activations.layers import find_layers
from helpers import seeded
from reference.network import layer_truth

geometric = pytest.importorskip("torch_geometric.nn")


class Graphs(nn.Module):
    """Two graph convolutions, whose linear layers are torch_geometric's own; a head of its kind."""

    def __init__(self):
        super().__init__()
        with seeded():
            self.first, self.second = geometric.GCNConv(4, 6), geometric.GCNConv(6, 5)
            self.head = geometric.Linear(5, 2)

    def forward(self, x, edges, graph):
        x = self.second(self.first(x, edges).relu(), edges).relu()
        return self.head(geometric.global_mean_pool(x, graph))


def test_linear_layers_of_graph_networks_are_measured_node_by_node():
    generator = torch.Generator().manual_seed(1)
    nodes, graphs = 60, 12
    x = torch.randn(nodes, 4, generator=generator)
    graph = torch.arange(nodes) // 5
    edges = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % 5 + 5 * graph])
    y = torch.randn(graphs, 2, generator=generator)
    model = Graphs()

    def reduced(name, rows, batch):
        return (rows, batch[0][2]) if len(rows) == nodes else rows

    measurement = deepnrc.measure(
        model, [((x, edges, graph), y)], reduce=reduced, progress=False, last_layer="paper2024"
    )
    assert measurement.names == ("first.lin", "second.lin", "head")
    assert {layer.kind for layer in measurement} == {"linear"}
    assert measurement.last_layer.layer == "head"
    assert measurement.skipped == ()
    layer = measurement["first.lin"]
    matrix = model.first.lin.weight.detach().double().numpy()
    truth = layer_truth(x.numpy(), matrix, y[graph].numpy(), layer.signal_rank)
    assert layer.rows == nodes
    assert layer.noise_component == pytest.approx(truth.nrc1, rel=1e-5)  # single precision
    assert layer.signal_target_cka == pytest.approx(truth.nrc2, rel=1e-5)
    assert layer.feature_weight_alignment == pytest.approx(truth.nrc3, rel=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_weight_and_bias(bias):
    module = geometric.Linear(4, 3, bias=bias)
    seen, layers = entering(module, torch.ones(5, 4))
    assert torch.equal(seen[""][0], torch.ones(5, 4))
    layer = layers[""]
    np.testing.assert_array_equal(layer.weight_matrix(), module.weight.detach().double())
    assert (layer.bias is not None) == bias


def test_a_weight_for_each_type_of_nodes_is_told_to_be_registered():
    model = nn.Sequential(geometric.HeteroLinear(4, 3, 2), nn.Linear(3, 3))
    (skipped,) = find_layers(model)[1]
    assert skipped.reason == (
        "HeteroLinear: it is not known how its weight (2 × 4 × 3) is used: where it is a weight, "
        "tell with deepnrc.register_layer(HeteroLinear, weight=…)"
    )
