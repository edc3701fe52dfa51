"""A fault campaign: promises about files, each tried many times; ``python -m faults`` in tests/."""
