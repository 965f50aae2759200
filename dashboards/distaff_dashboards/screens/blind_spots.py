"""The page *Blind spots*."""

from distaff_dashboards.pages.factors.blind_spots import show

show()
