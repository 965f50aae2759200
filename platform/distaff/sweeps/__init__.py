"""Sweeps: the search for a model's best configuration, selected on validation data, beside its controls.

A study holds the trials of one model on one dataset. Any number of processes work on it (:mod:`distaff.sweeps.worker`);
one started by ``distaff tune`` watches over them (:mod:`distaff.sweeps.tuning`).
"""

PRUNERS = ("median", "halving", "hyperband", "none")

STORAGE = "DISTAFF_STORAGE"
"""The environment variable that tells workers the storage: a URL may hold a password, and everyone sees arguments."""
