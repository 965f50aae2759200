"""Scheduled jobs, aliases and drift."""
