"""Sweeps: the course of a study and its configurations."""
