"""The version, read by the build and by saved records."""

__version__ = "0.1.0"
