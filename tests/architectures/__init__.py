"""Architectures and situations with what is right for each, found without the package's own code.

``python docs/make_architecture_page.py`` writes the table; tests/test_architectures.py runs it.
"""
