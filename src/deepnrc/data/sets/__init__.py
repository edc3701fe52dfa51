"""The data sets, one file or folder a set."""
