"""The board: the comparison of runs and controls on one dataset."""
