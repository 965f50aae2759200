"""Sweeps: the course of a study and its parameters."""
