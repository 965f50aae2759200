"""Batch scoring by the clock: jobs in ``distaff.toml``, due by cron expressions, each execution a row in ``executions``."""
