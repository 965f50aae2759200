"""Cheap models that every other model is shown beside."""
