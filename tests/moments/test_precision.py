"""The precision of the sums is not the caller's."""

import pytest
import torch

from deepnrc.moments.precision import full_precision
from twins import accumulated, collapsed


def test_the_callers_precision_settings_do_not_spoil_the_sums(rng):
    H, Y = collapsed(rng, 4096, 256, 1e-9)
    plain = accumulated(H, Y, dtype=torch.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            shortcut = accumulated(H, Y, dtype=torch.float32)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(shortcut.feature_scatter, plain.feature_scatter)
    assert torch.equal(shortcut.cross_scatter, plain.cross_scatter)


def test_precision_settings_come_back_after_an_error():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(KeyError, match="highest"), full_precision(torch.device("cpu")):
            _ = {"medium": 0}[torch.get_float32_matmul_precision()]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
