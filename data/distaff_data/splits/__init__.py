"""Rules that part a dataset into train, valid and test."""
