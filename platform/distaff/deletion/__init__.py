"""Deletion that can be undone: what is deleted lies in a bin until that is emptied."""
