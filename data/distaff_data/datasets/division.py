"""The splits that every dataset is divided into."""

SPLITS = ("train", "valid", "test")
