"""Passes over the data: what is summed, in how many passes, and what they gave."""
