"""Cheap models of series, beside which others are shown."""
