"""Distaff's data layer: the warehouse, ingestion, loaders and built-in data."""
