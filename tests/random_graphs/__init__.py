"""Random networks whose truth is known by construction, against what the package measures.

A graph is a list of operations on values with named axes: samples, positions, features. One
interpreter (`network`) runs it in torch, with axes permuted, flattened, masked and written in place
as real models do; another (`truth`) in NumPy, where the samples always come first. ``python -m
random_graphs SEED`` in tests/ prints a graph and what is wrong with its measurement.
"""
