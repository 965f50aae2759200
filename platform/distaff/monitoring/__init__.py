"""Drift of the data since a model was fitted."""
