"""Recommenders whose vectors come from an encoder of PyTorch Geometric."""
