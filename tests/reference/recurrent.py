"""What enters each weight of a recurrent network: one sample, one step, one unit row at a time.

Formulas of the documentation of torch.nn.LSTM, GRU and RNN; float64, no axis of samples.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def arrays(module):
    """The module's weights and biases by name; a bias that it has not is 0."""
    found = {n: p.detach().double().numpy() for n, p in module.named_parameters()}
    for name in [n for n in found if n.startswith("weight_") and "_hr" not in n]:
        found.setdefault(name.replace("weight", "bias"), np.zeros(len(found[name])))
    return found


def step(kind, weights, end, x, h, c):
    """(h after the step before any projection, c after it)."""
    given = weights["weight_ih" + end] @ x + weights["bias_ih" + end]
    kept = weights["weight_hh" + end] @ h + weights["bias_hh" + end]
    if kind == "LSTM":
        i, f, g, o = np.split(given + kept, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if kind == "GRU":
        (r0, z0, n0), (r1, z1, n1) = np.split(given, 3), np.split(kept, 3)
        r, z = sigmoid(r0 + r1), sigmoid(z0 + z1)
        return (1 - z) * np.tanh(n0 + r * n1) + z * h, c
    return (np.tanh if kind == "RNN_TANH" else lambda v: np.maximum(v, 0))(given + kept), c


def one_sample(module, x, h0=None, c0=None):
    """What enters each weight for one sequence: ({name: steps × width}, outputs).

    Args:
        module: Whose weights are read.
        x: Steps × width.
        h0: (Layers · directions) × width; None: 0.
        c0: The same of an LSTM's cell.
    """
    weights, entering = arrays(module), {}
    directions = 2 if module.bidirectional else 1
    below = np.asarray(x, dtype=np.float64)
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(directions):
            end = f"_l{layer}" + ("_reverse" if direction else "")
            number = layer * directions + direction
            size = weights["weight_hh" + end].shape[1]
            h = np.zeros(size) if h0 is None else h0[number]
            c = np.zeros(module.hidden_size) if c0 is None else c0[number]
            before, unprojected, after = [], [], []
            order = range(len(below)) if direction == 0 else range(len(below) - 1, -1, -1)
            for t in order:
                before.append(h)
                h, c = step(module.mode, weights, end, below[t], h, c)
                if "weight_hr" + end in weights:
                    unprojected.append(h)
                    h = weights["weight_hr" + end] @ h
                after.append(h)
            turn = slice(None) if direction == 0 else slice(None, None, -1)
            entering["weight_ih" + end] = below
            entering["weight_hh" + end] = np.array(before)[turn]
            if unprojected:
                entering["weight_hr" + end] = np.array(unprojected)[turn]
            outputs.append(np.array(after)[turn])
        below = np.concatenate(outputs, 1)
    return entering, below
