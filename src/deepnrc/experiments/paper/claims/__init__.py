"""The claims of [RU26]: each file defines one as ``CLAIM`` and is found by being here."""
