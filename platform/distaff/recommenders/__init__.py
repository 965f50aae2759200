"""Recommenders: the contract, batch scoring, explanations, steering."""
