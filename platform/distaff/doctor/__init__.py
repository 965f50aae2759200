"""A check of the installation and the workspace, with repairs."""

from distaff.doctor.examination import examine
from distaff.doctor.finding import Finding

__all__ = ["Finding", "examine"]
