"""Every exception and warning of deepnrc, so that callers can catch what they mean.

The tree::

    DeepNRCError                    anything this package refuses
    ├── ArgumentError (ValueError)  an argument is of the wrong kind, shape or range
    ├── LayerError (ValueError)     a layer cannot be selected, hooked or read
    ├── DataError (ValueError)      what the loader gave cannot be measured
    │   ├── FeatureRangeError       features so large that their squares overflow
    │   └── NonFiniteError          NaN or infinity in features, targets or predictions
    └── FileError (OSError)         a file is missing, damaged or of another version

    DeepNRCWarning (UserWarning)    the result stands, but read what is said about it

Messages name the argument or layer, what was expected, what came, and what to do.
"""

__all__ = [
    "ArgumentError",
    "DataError",
    "DeepNRCError",
    "DeepNRCWarning",
    "FeatureRangeError",
    "FileError",
    "LayerError",
    "NonFiniteError",
]


class DeepNRCError(Exception):
    """Base of every error that deepnrc raises on purpose."""


class ArgumentError(DeepNRCError, ValueError):
    """An argument is of the wrong kind, shape or range."""


class LayerError(DeepNRCError, ValueError):
    """A layer cannot be selected, hooked or read."""


class DataError(DeepNRCError, ValueError):
    """What the loader gave cannot be measured."""


class FeatureRangeError(DataError):
    """Features so large that their squares overflow float64."""


class NonFiniteError(DataError):
    """NaN or infinity stands in the features, targets or predictions.

    Attributes:
        row: The first such row, counted from the first one seen; −1 where it is not known.
    """

    def __init__(self, message: str, *, row: int = -1) -> None:
        super().__init__(message)
        self.row = row


class FileError(DeepNRCError, OSError):
    """A file is missing, damaged or of another version."""


class DeepNRCWarning(UserWarning):
    """The result stands, but something about it should be read."""
