"""The command line: one file a command; each parses, calls one library function and prints."""

from deepnrc.cli.app import main

__all__ = ["main"]
