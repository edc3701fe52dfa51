"""matplotlib's `Figure`, imported when first used, whatever backend the environment asks for."""

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure"]


def new_figure(**options: Any) -> "Figure":
    """A figure that is drawn without a screen.

    Args:
        options: Of `matplotlib.figure.Figure`.
    """
    if "matplotlib" not in sys.modules:
        _import_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415  - slow to import

    return Figure(**options)


def _import_matplotlib() -> None:
    """Import it without ``MPLBACKEND``, then set that backend where there is one of this name.

    A notebook sets a backend of its own for all its child processes; where that is not installed,
    matplotlib cannot be imported, though figures that are only saved need no backend.
    """
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl  # noqa: PLC0415
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = backend
