"""Measurements along any training loop."""
