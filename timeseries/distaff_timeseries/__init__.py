"""Time-series models."""
