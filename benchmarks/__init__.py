"""What measuring costs beside a plain inference pass: ``python -m benchmarks``."""
