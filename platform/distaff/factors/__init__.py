"""Learned factors and the evidence behind each; here what recommenders and series share."""
