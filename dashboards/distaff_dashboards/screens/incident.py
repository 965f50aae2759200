"""The page *Incident*."""

from distaff_dashboards.incident_view import show

show()
