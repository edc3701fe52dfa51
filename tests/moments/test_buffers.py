"""Workspaces: shared by layers of one shape."""

import pytest
import torch

from deepnrc.moments.accumulator import MomentAccumulator
from deepnrc.moments.buffers import Workspaces
from deepnrc.moments.record import CHUNK_ROWS, Moments
from twins import accumulated, assert_same_moments, collapsed, cut


def test_only_layers_of_one_shape_share_a_workspace():
    shared = Workspaces()
    options = {"dtype": torch.float32, "device": torch.device("cpu")}
    first = shared.get(200, 16, 3, **options)
    assert shared.get(200, 16, 3, **options) is first
    assert shared.get(201, 16, 3, **options) is not first
    assert shared.get(200, 16, 3, **options | {"dtype": torch.float64}) is not first


@pytest.mark.parametrize("sizes", [(CHUNK_ROWS,), (700,), (2 * CHUNK_ROWS, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_that_share_a_workspace_keep_their_sums_apart(rng, sizes, dtype):
    """Of one width but with other dead units, so that their columns lie elsewhere in it."""
    N, width, shared = 3 * CHUNK_ROWS + 5, 200, Workspaces()
    Y = torch.tensor(rng.standard_normal((N, 3)))
    layers = []
    for dead in (0, 40, 60):
        H = torch.tensor(collapsed(rng, N, width, 1e-3)[0], dtype=dtype)
        H[:, rng.permutation(width)[:dead]] = 0
        layers.append((H, MomentAccumulator(width, 3, dtype=dtype, workspaces=shared)))
    for rows in cut(N, sizes):
        for H, accumulator in layers:
            accumulator.add(H[rows], Y[rows])
    for H, accumulator in layers:
        found, alone = accumulator.result(), accumulated(H, Y, sizes=sizes, dtype=dtype)
        assert_same_moments(found, alone, rtol=1e-14)  # the same sums in the same order
        rtol = 1e-7 if dtype == torch.float32 else 1e-12
        assert_same_moments(found, Moments.from_batch(H, Y), rtol=rtol)
