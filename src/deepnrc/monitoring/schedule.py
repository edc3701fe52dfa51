"""When to measure: epochs spaced evenly in the logarithm."""

from deepnrc.errors import ArgumentError

__all__ = ["log_spaced"]


def log_spaced(last: int, count: int) -> tuple[int, ...]:
    """Epochs from 0 to ``last``, evenly spaced in the logarithm where whole numbers allow.

    Args:
        last: The last epoch, at least 1.
        count: How many, 0 and ``last`` among them; fewer when there are not so many.

    Returns:
        Ascending, without repetition.

    Raises:
        ArgumentError: ``last`` or ``count`` is below 1.

    Example:
        >>> log_spaced(1000, 9)
        (0, 1, 3, 7, 19, 52, 139, 373, 1000)
    """
    for name, value in (("last", last), ("count", count)):
        if value < 1:
            raise ArgumentError(f"{name} must be at least 1; got {value}")
    if count > last:
        return tuple(range(last + 1))
    if count <= 2:
        return (0, last)[2 - count :]
    exact, epochs = 1.0, [0, 1]
    while len(epochs) < count:
        # The ratio that still reaches the end; below 1 apart, whole numbers follow one another.
        ratio = (last / exact) ** (1 / (count - len(epochs)))
        exact = max(exact * ratio, epochs[-1] + 1.0)
        epochs.append(round(exact))
    return tuple(epochs)
