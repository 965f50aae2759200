"""The page *Incident*."""

from distaff_dashboards.pages.incident.page import show

show()
