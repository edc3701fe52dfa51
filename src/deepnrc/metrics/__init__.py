"""Metrics: pure functions of a layer's moments and weight, one family in each file."""
