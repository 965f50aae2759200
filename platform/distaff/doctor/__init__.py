"""A check of the installation and the workspace, with repairs."""

from distaff.doctor.check import Check
from distaff.doctor.examination import examine

__all__ = ["Check", "examine"]
