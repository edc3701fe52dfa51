"""The papers' figures and tables made again: one file each, on groups of runs that they share."""
