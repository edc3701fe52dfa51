"""Principal angles between subspaces."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from deepnrc.linalg.angles import principal_cosines
from reference.generators import orthonormal


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 5), (4, 3)])
def test_principal_cosines_are_scipys(rng, a, b):
    A, B = orthonormal(rng, 9, a), orthonormal(rng, 9, b)
    found = principal_cosines(torch.tensor(A), torch.tensor(B))
    np.testing.assert_allclose(found, np.sort(np.cos(subspace_angles(A, B)))[::-1], rtol=1e-13)


def test_cosines_of_a_subspace_with_itself_do_not_exceed_one(rng):
    Q = torch.tensor(orthonormal(rng, 30, 12))
    rotated = Q @ torch.tensor(orthonormal(rng, 12, 12))
    assert float(torch.linalg.svdvals(Q.T @ rotated).max()) > 1  # rounding, to be cut
    assert float(principal_cosines(Q, rotated).max()) == 1.0
