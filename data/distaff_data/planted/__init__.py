"""Generators of data whose truth is known, and the samples that ship."""
