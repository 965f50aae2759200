"""Pieces of pages: charts, tables, widgets, words and definitions."""
