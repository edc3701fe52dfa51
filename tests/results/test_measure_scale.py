"""The memory of whole processes that measure. In the slow tier."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_peak_memory_does_not_grow_with_the_samples():
    """Whole processes on 20,000 and 160,000 samples that are made when they are asked for."""
    code = """
import resource, sys, torch
import deepnrc
torch.set_num_threads(1)
torch.manual_seed(0)
model = deepnrc.models.MLP(20, 4, width=128, depth=6)
def rows():
    for _ in range(int(sys.argv[1])):
        x = torch.randn(1000, 20)
        yield x, x[:, :4]
deepnrc.measure(model, rows(), progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak(batches):
        command = [sys.executable, "-c", code, str(batches)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    few, many = peak(20), peak(160)
    # Features of the rest would take 140,000 × 128 × 4 bytes × 6 layers = 430 MB.
    assert many - few < 20_000  # KiB; the allocator's ups and downs
