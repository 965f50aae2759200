"""Intervals, paired comparisons and moments."""
