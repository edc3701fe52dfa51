"""Text for terminals that cannot show every character: near ones in place of those they lack."""

import codecs
import sys

__all__ = ["print_anywhere"]

_NEAR = {
    **dict.fromkeys("─–—−", "-"),
    **{"≤": "<=", "≥": ">=", "×": "x", "√": "sqrt", "‖": "||", "²": "^2", "→": "->", "…": "..."},
    **{"λ": "lambda", "γ": "gamma", "Σ": "sum", "α": "alpha", "σ": "sigma", "ᵀ": "^T", "·": "*"},
}


def print_anywhere() -> None:
    """Let standard output and error show what their encoding has, and near characters else."""
    codecs.register_error("deepnrc-near", _near)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # not where a notebook replaced it
        if reconfigure is not None and stream.errors == "strict":
            reconfigure(errors="deepnrc-near")


def _near(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = "".join(_NEAR.get(x, "?") for x in error.object[error.start : error.end])
    return text, error.end
