"""Slow, obvious float64 NumPy twins of every formula, written from the definitions alone."""
