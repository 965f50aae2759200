"""Factors of recommenders: the list, one factor, blind spots."""
