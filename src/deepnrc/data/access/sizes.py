"""How much may be read into memory: what a header claims is believed only up to a bound."""

import os
from pathlib import Path

from deepnrc.errors import FileError

__all__ = ["DAMAGED", "check_size", "largest"]

DAMAGED = (
    "compare its size and checksum with the original: if they differ, copy it again; if not, the "
    "original itself is broken, so leave the file out or tell its publisher"
)
"""What to do about a damaged file, which may be so where it comes from."""

_UNKNOWN = 8 << 30  # where the system does not tell its memory


def largest() -> int:
    """Bytes that one file may become in memory: half of this machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return _UNKNOWN


def check_size(path: Path, what: str, claimed: int) -> None:
    """Refuse what is larger in memory than `largest`, before any of it is read.

    Args:
        path: The file, for the message.
        what: What in it, such as ``"array 'x'"``.
        claimed: Bytes in memory, as the file claims.

    Raises:
        FileError: It is larger; the message has both numbers.
    """
    bound = largest()
    if claimed > bound:
        raise FileError(
            f"{path}: {what} claims {claimed:,} bytes; at most {bound:,}, half of this machine's "
            "memory, are read: the header is damaged or made to do harm, or the file belongs on a "
            "larger machine or in smaller parts"
        )
