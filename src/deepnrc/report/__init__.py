"""Rendering and storing of records: text, figures, files."""
