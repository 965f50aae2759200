"""Runs and the aliases that point at them."""
