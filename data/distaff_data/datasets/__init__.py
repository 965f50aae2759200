"""Datasets in memory: what loaders give and models are fitted to, with nothing of the warehouse."""
