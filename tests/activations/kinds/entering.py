"""What enters each weight layer of a model in one call of it, as its hooks tell."""

from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.layers import find_layers
from deepnrc.activations.preserved_state import preserved_state


def entering(model, *inputs, **more):
    """({name: what entered, of each call}, layers by name)."""
    layers, _ = find_layers(model)
    seen = {}
    with (
        preserved_state(model),
        InputHooks(layers, lambda name, x: seen.setdefault(name, []).append(x)),
    ):
        model(*inputs, **more)
    return seen, {layer.name: layer for layer in layers}
