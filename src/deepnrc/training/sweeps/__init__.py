"""Many runs: every combination of settings, executors, tables."""
