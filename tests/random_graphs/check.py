"""Measures a graph and compares with its truth: numbers, rows, roles, order."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

import deepnrc
from deepnrc.errors import DataError
from random_graphs.generate import generate
from random_graphs.graph import Graph
from random_graphs.network import Network
from random_graphs.truth import truth_of
from reference.network import NAMES, layer_truth, nrc4_off
from reference.prediction import model_mse

FIELDS = {
    "nrc1": "noise_component",
    "nrc2": "signal_target_cka",
    "nrc3": "feature_weight_alignment",
    "nrc4": "linear_prediction_mse",
}


@dataclass
class Rows:
    """Rows of a layer with the target of each; none where they have none."""

    rows: np.ndarray
    targets: np.ndarray | None


def check(seed: int) -> list[str]:
    """What is wrong with the measurement of a seed's graph; empty where all is right."""
    graph = generate(seed)
    network = Network(graph)
    x, y, mask = graph.data()
    truth = truth_of(graph, weights_of(network, graph))
    expected = {name: rows_of(graph, seen, y, mask) for name, seen in truth.layers.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = measured(graph, network, x, y, mask)
    except DataError as error:
        if "no layer of Network gave rows" in str(error):
            lost = [n for n in expected if required(graph, truth.layers[n], expected[n])]
            return [f"{name}: refused: {error}" for name in lost]
        return [f"{type(error).__name__}: {error}"]
    wrong = compared_layers(graph, truth, expected, found)
    return wrong + compared_whole(graph, truth, found, y, mask)


def measured(graph: Graph, network, x, y, mask):
    """The package's measurement."""
    loader, start = [], 0
    for size in graph.batches:
        rows = slice(start, start + size)
        inputs = {"x": torch.from_numpy(x[rows]), "mask": torch.from_numpy(mask[rows])}
        loader.append((inputs, torch.from_numpy(y[rows])))
        start += size
    options = {"reduce": graph.reduce, "mask": "mask" if graph.masked else False}
    try:
        return deepnrc.measure(network, loader, output="main", **options)
    except DataError as error:
        # Where another axis is as long as the targets', the user is asked.
        asked = "can be read in more than one way" in str(error)
        if not asked or graph.target_dim not in graph.grid:
            raise
    options["target_dim_axis"] = y.ndim - 1
    return deepnrc.measure(network, loader, output="main", **options)


def weights_of(network, graph: Graph):
    """(weight, bias) by layer, and the constant."""
    found = {"constant": network.constant.detach().numpy()}
    for name in graph.layers:
        layer = network.get_submodule(name)
        bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
        found[name] = layer.weight.detach().numpy(), bias
    return found


def rows_of(graph: Graph, seen, y, mask) -> Rows:
    """The rows of all calls of a layer by the graph's rule."""
    rows, targets, lost = [], [], False
    spatial = seen.layer.kind == "conv"
    for call, given in enumerate(seen.rows):
        chosen = seen.samples[call]
        for i, number in enumerate(chosen):
            sample = given[i]
            own, aims = one_sample(graph, sample, y[number], mask[number], spatial)
            rows += list(own)
            lost |= aims is None
            targets += [] if aims is None else list(aims)
    width = seen.layer.width
    return Rows(np.array(rows).reshape(-1, width), None if lost else np.array(targets))


def one_sample(graph: Graph, given, y, mask, spatial):
    """Rows of one sample in one call, and their targets; None where they have none."""
    if given.ndim == 1:
        single = graph.each_position and math.prod(graph.grid) > 1
        aims = None if single else y.reshape(1, -1)
        kept = bool(mask[0]) or not graph.each_position
        return (given[None], aims) if kept else (given[:0], aims)
    flat, kept = given.reshape(-1, given.shape[-1]), mask
    if graph.reduce == "samples":
        aims = y.reshape(len(flat), -1) if graph.each_position else np.tile(y, (len(flat), 1))
        return flat[kept], aims[kept]
    positions = flat[kept]
    if graph.reduce == "mean" or spatial:
        return positions.mean(0)[None], y[None]
    index = {"first": 0, "last": -1}.get(graph.reduce, graph.reduce)
    index = min(index, len(positions) - 1)  # of samples with fewer, the nearest
    return positions[index][None], y[None]


def required(graph: Graph, seen, expected: Rows) -> bool:
    """Whether the package must find the rows of a layer; else it may say that it cannot."""
    if not seen.paired or expected.targets is None:
        return False
    # Of a plane whose positions were joined, rows or columns may come first: that must be said.
    joined = any(
        x.layer == seen.layer.name
        and str(x.how).startswith("joined")
        and not str(x.how).startswith("joined rows")
        for x in graph.nodes
    )
    return not (graph.each_position and len([n for n in graph.grid if n > 1]) > 1 and joined)


def compared_layers(graph: Graph, truth, expected, found) -> list[str]:
    """Every layer: its numbers, its role, how deep it is."""
    wrong = []
    for name in graph.layers:
        layer = found[name]
        if name not in truth.layers:
            wrong += [] if layer.role == "uncalled" else [f"{name}: {layer.role}, not uncalled"]
            continue
        seen, right = truth.layers[name], expected[name]
        if layer.role == "unpaired":
            if required(graph, seen, right):
                wrong.append(f"{name}: unpaired: {layer.undefined['noise_component']}")
            continue
        if right.targets is None:
            wrong.append(f"{name}: has numbers, but its rows have no targets")
            continue
        role = "path" if seen.on_path else "side"
        wrong += [] if layer.role == role else [f"{name}: {layer.role}, not {role}"]
        wrong += [] if layer.depth == seen.depth else [f"{name}: depth {layer.depth}, {seen.depth}"]
        rows = len(right.rows)
        wrong += [] if layer.rows == rows else [f"{name}: {layer.rows} rows, not {rows}"]
        if layer.rows == rows:
            wrong += compared_values(name, layer, seen, right)
    return wrong


def compared_values(name, layer, seen, right: Rows) -> list[str]:
    """NRC1–4 of a layer."""
    k, variance = right.targets.shape[1], float(right.targets.var(0).mean())
    truth = layer_truth(right.rows, seen.matrix, right.targets, k)
    wrong = []
    for short in NAMES:
        got, value = getattr(layer, FIELDS[short]), getattr(truth, short)
        # Rounding of the features and of the moments, relative to the largest eigenvalue: it turns
        # directions by its ratio to the gap, and changes a prediction by its ratio to the cut.
        noise = 1e-13 + 1e3 * truth.grain
        # A prediction may use any unit, also one that varies by its rounding alone.
        doubt = min(layer.linear_prediction_floor, 0.01 * variance)
        doubt += 1e3 * truth.unit_grain * variance
        limits = {"nrc1": noise, "nrc4": 1e5 * noise * variance + doubt}
        limit = limits.get(short, 1e-9 + noise + noise / max(truth.gap, 1e-16))
        if short == "nrc3" and truth.grain > 1e-9:
            continue  # the rank of such features is not resolved
        if math.isnan(got) != math.isnan(value):
            reason = layer.undefined.get(FIELDS[short], "")
            wrong.append(f"{name}: {short} is {got}, not {value} {reason}")
        off = nrc4_off(truth, got) if short == "nrc4" else abs(got - value)
        if off > limit + 1e-7 * abs(value):
            wrong.append(f"{name}: {short} is {got:.9g}, not {value:.9g} (gap {truth.gap:.0e})")
    return wrong


def compared_whole(graph: Graph, truth, found, y, mask) -> list[str]:
    """Order of the layers on the path, and the model's own error."""
    got = [x.name for x in found if x.role == "path"]
    by_depth = sorted(got, key=lambda n: (truth.layers[n].depth, truth.layers[n].number))
    wrong = [] if got == by_depth else [f"order {got}, not {by_depth}"]
    predictions = truth.predictions
    if graph.each_position:
        kept = mask.reshape(y.shape[:-1])
        predictions, y = predictions[kept], y[kept]
    own = model_mse(predictions, y)
    if not abs(found.model_mse - own) <= 1e-9 * max(own, 1e-3):
        wrong.append(f"model_mse {found.model_mse}, not {own}")
    return wrong
