"""Help for a name that is not known: the nearest known one, and the list of all."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like a given one, upper and lower case alike; None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.55)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"did you mean 'X'? "`` with the nearest known name, or ``""``: the middle of a message.

    Example:
        >>> did_you_mean("hoper", ["hopper", "reacher"])
        "did you mean 'hopper'? "
    """
    found = nearest(name, known)
    return "" if found is None else f"did you mean '{found}'? "
