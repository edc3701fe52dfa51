"""Features of a bias-free ReLU MLP: what enters each weight [RU26, section 3]."""

import numpy as np


def mlp_features(weights, X):
    """([X, relu(X W_1ᵀ), …], predictions), weights as torch stores them (out, in)."""
    features = [np.asarray(X, dtype=np.float64)]
    for W in weights[:-1]:
        features.append(np.maximum(features[-1] @ np.asarray(W, dtype=np.float64).T, 0.0))
    return features, features[-1] @ np.asarray(weights[-1], dtype=np.float64).T
