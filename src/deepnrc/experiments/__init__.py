"""Whole experiments, one a file: data, network, training, measurement, files."""
