"""Distaff: learns disentangled factors from behaviour and telemetry, and shows each beside its control."""

__version__ = "0.1.0"
