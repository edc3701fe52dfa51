"""The data sets: one file or folder per set, and what some of them share."""
