"""Whether what was computed once more is what a module returned."""

import torch
from torch import Tensor

__all__ = ["agree"]


def agree(again: Tensor, returned: Tensor) -> bool:
    """Whether two results of the same computation are equal up to rounding.

    The same kernels run on the same numbers, so that they are mostly equal bit for bit; where
    another one is chosen, sums in another order differ by far less than what is allowed.
    """
    if again.shape != returned.shape:
        return False
    eps = torch.finfo(returned.dtype).eps
    # TensorFloat-32 has 10 bits; cuDNN uses it unless told otherwise.
    rough = torch.backends.cudnn.allow_tf32 or torch.get_float32_matmul_precision() != "highest"
    if returned.is_cuda and returned.dtype == torch.float32 and rough:
        eps = 2.0**-14
    scale = float(returned.abs().max()) if returned.numel() else 0.0
    far = float((again - returned).abs().max()) if returned.numel() else 0.0
    return far <= min(256 * eps, 0.05) * scale
