"""What enters the projections of attention: one sample, one head, one query at a time."""

import numpy as np


def projections(module):
    """Weights and biases of query, key and value."""
    if module.in_proj_weight is not None:
        weights = np.split(module.in_proj_weight.detach().double().numpy(), 3)
    else:
        each = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        weights = [w.detach().double().numpy() for w in each]
    if module.in_proj_bias is None:
        return weights, [0.0] * 3
    return weights, np.split(module.in_proj_bias.detach().double().numpy(), 3)


def heads(module, query, key, value, allowed=None):
    """Concatenated heads, queries × width, of one sample: what enters the output projection.

    Args:
        module: Whose weights are read.
        query: Queries × width.
        key: Keys × width.
        value: Keys × width.
        allowed: Queries × keys, true where a query may look; None: everywhere.
    """
    weights, biases = projections(module)
    q, k, v = (
        np.asarray(x, dtype=np.float64) @ W.T + b
        for x, W, b in zip((query, key, value), weights, biases, strict=True)
    )
    if module.bias_k is not None:
        k = np.vstack([k, module.bias_k.detach().double().numpy()[0]])
        v = np.vstack([v, module.bias_v.detach().double().numpy()[0]])
    if module.add_zero_attn:
        k, v = (np.vstack([x, np.zeros(x.shape[1])]) for x in (k, v))
    if allowed is not None:
        more = len(k) - allowed.shape[1]
        allowed = np.hstack([allowed, np.ones((len(allowed), more), dtype=bool)])
    size = q.shape[1] // module.num_heads
    found = np.zeros_like(q)
    for head in range(module.num_heads):
        part = slice(head * size, (head + 1) * size)
        for row in range(len(q)):
            scores = k[:, part] @ q[row, part] / np.sqrt(size)
            if allowed is not None:
                scores = np.where(allowed[row], scores, -np.inf)
            shares = np.exp(scores - scores.max())
            found[row, part] = shares / shares.sum() @ v[:, part]
    return found
