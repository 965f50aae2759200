"""The command line: ``distaff VERB ...``. Data on standard output, talk on standard error."""

from distaff.cli.app import main

__all__ = ["main"]
