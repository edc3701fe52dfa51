"""The figures and tables: each file defines one as ``FIGURE`` and is found by being here."""
