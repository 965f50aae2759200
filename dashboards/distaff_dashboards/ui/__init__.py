"""What pages are made of: charts, widgets, words and definitions."""
