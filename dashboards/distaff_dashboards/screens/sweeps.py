"""The page *Sweeps*."""

from distaff_dashboards.sweeps_view import show

show()
