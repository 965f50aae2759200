"""Rules that divide a dataset into train, valid and test."""

SPLITS = ("train", "valid", "test")
