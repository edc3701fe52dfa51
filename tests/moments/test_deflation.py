"""The basis that is deflated: its size, and how near it is to the leading subspace."""

import numpy as np
import pytest
import torch

from deepnrc.moments.deflation import deflated_directions, leading_subspace
from reference.generators import orthonormal


@pytest.mark.parametrize(
    ("width", "target_dim", "k"),
    [(128, 3, 0), (129, 3, 16), (129, 14, 16), (129, 15, 32), (128, 15, 0), (192, 31, 0)],
)
def test_deflated_directions(width, target_dim, k):
    """Room for two more than the targets; none in narrow layers, or of more than a quarter."""
    assert deflated_directions(width, target_dim) == k


def test_the_leading_subspace_of_a_known_spectrum(rng):
    values = np.r_[[3.0, 2.0, 1.0], np.full(27, 1e-6)]
    Q = orthonormal(rng, 30, 30)
    scatter = torch.tensor((Q * values) @ Q.T)
    basis, outside = leading_subspace(scatter, 3, start=None, steps=4)
    U = basis.numpy()
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(U @ (U.T @ Q[:, :3]), Q[:, :3], atol=1e-14)  # (1e-6)⁴ in 4 steps
    assert outside == pytest.approx(27e-6, rel=1e-8)  # 6 − 5.999973, to the rounding of 6


def test_a_basis_to_start_from_saves_steps_and_one_of_another_height_is_not_used(rng):
    values = np.geomspace(1, 1e-3, 30)
    Q = orthonormal(rng, 30, 30)
    scatter = torch.tensor((Q * values) @ Q.T)
    best, least = leading_subspace(scatter, 4, start=None, steps=200)
    assert least == pytest.approx(values[4:].sum(), rel=1e-9)
    assert leading_subspace(scatter, 4, start=best, steps=1)[1] == pytest.approx(least, rel=1e-9)
    cold = leading_subspace(scatter, 4, start=None, steps=1)[1]
    assert cold > 1.05 * least
    assert leading_subspace(scatter, 4, start=best[:29], steps=1)[1] == cold
