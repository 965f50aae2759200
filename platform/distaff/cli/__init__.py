"""The command line: ``distaff VERB ...``. Data on standard output, talk on standard error."""

import os

# Trainers, scorers and dashboards share one machine. OpenMP's threads spin while they wait, which makes two processes on
# two cores up to 40 times slower than one after the other; sleeping threads cost little when the machine is idle.
# OpenMP reads this once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from distaff.cli.app import main

__all__ = ["main"]
