"""The version, alone, so that anything may read it."""

__version__ = "0.2.0"
