"""Cheap rankings of root causes, which CORAL is shown beside."""
