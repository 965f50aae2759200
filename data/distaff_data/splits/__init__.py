"""Rules that divide a dataset into train, valid and test."""

from distaff_data.datasets.division import SPLITS

__all__ = ["SPLITS"]
