"""The rank by energy: ties, flat spectra, no energy at all."""

import numpy as np
import pytest

from deepnrc.linalg.energy import energy_rank
from reference import spectrum


@pytest.mark.parametrize(
    ("eigenvalues", "share", "rank"),
    [
        ([0.99, 0.01], 0.99, 1),  # a tie belongs to the smaller rank …
        ([99.0, 1.0 - 1e-9, 1e-9], 0.99, 1),
        ([0.98, 0.01, 0.01], 0.99, 2),  # … whatever the last bit of .98 + .01 is
        ([1.0, 1.0, 1.0], 1.0, 3),
        ([0.1] * 10, 0.8, 8),  # eight of them sum to 0.8 − 1e-16
        ([0.1] * 10, 1.0, 10),
        ([5.0], 0.5, 1),
        ([0.0, 0.0], 0.99, None),
        ([], 0.99, None),
    ],
)
def test_energy_rank(eigenvalues, share, rank):
    assert energy_rank(eigenvalues, share) == rank


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99, 1.0])
def test_energy_rank_is_the_twins(rng, share):
    H = rng.standard_normal((50, 8)) * np.geomspace(1, 1e-2, 8)
    eigenvalues = np.linalg.eigvalsh(np.cov(H.T, bias=True))[::-1]
    assert energy_rank(eigenvalues.tolist(), share) == spectrum.energy_rank(H, share)
