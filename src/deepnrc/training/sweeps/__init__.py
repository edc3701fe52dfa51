"""Sweeps: every combination of settings and seeds, trained by executors, and one tidy table."""
