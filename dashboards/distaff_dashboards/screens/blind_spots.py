"""The page *Blind spots*."""

from distaff_dashboards.blind_view import show

show()
