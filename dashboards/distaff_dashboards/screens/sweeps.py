"""The page *Sweeps*."""

from distaff_dashboards.pages.sweeps.page import show

show()
