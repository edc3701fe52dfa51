"""NRC4 in extended precision: columns scaled, then orthogonalized one by one, largest first."""

import numpy as np

_SMALLEST = 1e-15  # of a column's deviation: what is left of one that others make up


def exact_prediction_mse(H, Y, *, intercept=True):
    """Mean over all N·t entries of the squared residual of Y on the span of H's columns.

    Also the mean square of Y itself, centred with an intercept.
    """
    H, Y = np.asarray(H, np.longdouble).copy(), np.asarray(Y, np.longdouble).copy()
    if intercept:
        H -= H.mean(0)
        H -= H.mean(0)
        Y -= Y.mean(0)
        Y -= Y.mean(0)
    total = float((Y**2).mean())
    lengths = np.sqrt((H**2).sum(0))
    H /= np.where(lengths > 0, lengths, 1)
    basis = []
    for _ in range(min(H.shape)):
        left = np.sqrt((H**2).sum(0))
        largest = int(left.argmax())
        if left[largest] < _SMALLEST:
            break
        q = H[:, largest] / left[largest]
        for other in basis:
            q = q - other * (other @ q)
        q = q / np.sqrt(q @ q)
        basis.append(q)
        H -= np.outer(q, q @ H)
        Y -= np.outer(q, q @ Y)
    return float((Y**2).mean()), total
