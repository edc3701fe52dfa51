"""A run and its folder: session, checkpoints, log, saved runs, data-parallel runs."""
