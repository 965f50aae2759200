"""Diagnosers of incidents: the contract, rankings of causes, replayed and live diagnoses."""
